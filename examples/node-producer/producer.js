// Puts files into the bucket and drops a job on Redis for each: node producer.js PROJECT FILE...
// It may be killed anywhere and run again: the same bytes have the same key and the same job, and are one media.
import { createHash } from 'node:crypto'
import { createReadStream, openAsBlob } from 'node:fs'
import { basename } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createClient } from '@redis/client'
import { AwsClient } from 'aws4fetch'

const { S3_BUCKET, REDIS_URL, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN } = process.env
const region = process.env.AWS_REGION ?? 'us-east-1'
const endpoint = process.env.AWS_ENDPOINT_URL_S3 ?? `https://s3.${region}.amazonaws.com`
const s3 = new AwsClient({
  ...{ accessKeyId: AWS_ACCESS_KEY_ID, secretAccessKey: AWS_SECRET_ACCESS_KEY, sessionToken: AWS_SESSION_TOKEN },
  ...{ region, service: 's3', retries: 3 },
})

async function digest(file) {
  const hash = createHash('sha256')
  await pipeline(createReadStream(file), hash)
  return hash.digest('hex')
}

// One PUT, as S3 takes them up to 5 GB. An object that is there already (412) has the same bytes: its key says so.
async function store(key, file) {
  const url = `${endpoint}/${S3_BUCKET}/${key.split('/').map(encodeURIComponent).join('/')}`
  const answer = await s3.fetch(url, { method: 'PUT', body: await openAsBlob(file), headers: { 'if-none-match': '*' } })
  if (!answer.ok && answer.status !== 412) throw new Error(`${key}: ${answer.status} ${await answer.text()}`)
}

// The message first, then its id, both or neither: docs/producers.md.
async function drop(redis, projectId, key, jobId) {
  const id = `submit-${projectId}-${jobId}`
  const message = {
    queue_name: 'submit',
    actor_name: 'submit',
    args: [],
    kwargs: { projectId, key, jobId },
    options: { redis_message_id: id },
    message_id: id,
    message_timestamp: Date.now(),
  }
  await redis.multi().hSet('dramatiq:submit.msgs', id, JSON.stringify(message)).rPush('dramatiq:submit', id).exec()
}

const [projectId, ...files] = process.argv.slice(2)
const redis = await createClient({ url: REDIS_URL }).on('error', (error) => console.error(error.message)).connect()
for (const file of files) {
  const jobId = await digest(file)
  const key = `import/${projectId}/${jobId}/${basename(file)}`
  await store(key, file)
  await drop(redis, projectId, key, jobId)
  console.log(JSON.stringify({ jobId, key }))
}
await redis.close()
