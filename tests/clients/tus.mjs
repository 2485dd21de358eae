// tus-js-client as an application uses it: it uploads, is interrupted, finds its upload again and goes on.
// node tus.mjs MODE ENDPOINT PROJECT FILE: prints the upload's URL and the offsets that requests began at, as JSON.
import { createReadStream, readFileSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { FileUrlStorage, Upload } from 'tus-js-client'

const [mode, endpoint, projectId, file] = process.argv.slice(2)
const half = statSync(file).size / 2
const metadata = { projectId, filename: 'a.png', filetype: 'image/png' }
const offsets = []
const common = {
  endpoint,
  metadata,
  retryDelays: [50, 200, 500, 1000, 2000],
  urlStorage: new FileUrlStorage(join(tmpdir(), `${projectId}.json`)),
  fingerprint: async () => projectId,
  onBeforeRequest: (request) => {
    const offset = request.getHeader('Upload-Offset')
    if (offset !== undefined) offsets.push(Number(offset))
  },
}
const modes = {
  plain: { source: () => readFileSync(file), options: { chunkSize: 4 * 1024 * 1024 } },
  parallel: { source: () => readFileSync(file), options: { parallelUploads: 3 } },
  deferred: {
    source: () => createReadStream(file).pipe(new PassThrough()), // a pipe: nobody knows its length
    options: { uploadLengthDeferred: true, chunkSize: 6 * 1024 * 1024 },
    whole: true, // what was read of a stream cannot be read again
  },
}
const { source, options, whole } = modes[mode]

function upload(more) {
  return new Promise((resolve, reject) => {
    const one = new Upload(source(), { ...common, ...options, onError: reject, onSuccess: () => resolve(one) })
    more(one, resolve)
  })
}

if (!whole) {
  await upload((one, interrupted) => {
    one.options.onProgress = async (sent) => {
      if (sent < half) return
      one.options.onProgress = null
      await one.abort()
      interrupted()
    }
    one.start()
  })
}
const done = await upload(async (one) => {
  const [previous] = await one.findPreviousUploads()
  if (previous) one.resumeFromPreviousUpload(previous)
  else if (!whole) throw new Error('nothing to go on with')
  one.start()
})
console.log(JSON.stringify({ url: done.url, offsets }))
