// tus-js-client as an application uses it: it uploads, is interrupted, finds its upload again and goes on.
// node tus.mjs MODE ENDPOINT PROJECT FILE: prints the upload's URL and the offsets that requests began at, as JSON:
// `before` and `after` the application's interruption. The wire is somebody else's to cut.
import { createReadStream, readFileSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { FileUrlStorage, Upload } from 'tus-js-client'

const [mode, endpoint, projectId, file] = process.argv.slice(2)
const enough = statSync(file).size * 0.7
const offsets = { before: [], after: [] }
let when = 'before'
const common = {
  endpoint,
  metadata: { projectId, filename: 'a.png', filetype: 'image/png' },
  retryDelays: [50, 200, 500, 1000, 2000],
  urlStorage: new FileUrlStorage(join(tmpdir(), `${projectId}.json`)),
  fingerprint: async () => projectId,
  onBeforeRequest: (request) => {
    const offset = request.getHeader('Upload-Offset')
    if (offset !== undefined) offsets[when].push(Number(offset))
  },
}
const modes = {
  plain: { source: () => readFileSync(file), options: { chunkSize: 4 * 1024 * 1024 } },
  parallel: { source: () => readFileSync(file), options: { parallelUploads: 3 } },
  deferred: {
    source: () => createReadStream(file).pipe(new PassThrough()), // a pipe: nobody knows its length
    options: { uploadLengthDeferred: true, chunkSize: 6 * 1024 * 1024 },
    once: true, // what was read of a pipe cannot be read again: the same Upload goes on with what it holds
  },
}
const { source, options, once } = modes[mode]

function started(begin) {
  return new Promise((resolve, reject) => {
    const upload = new Upload(source(), { ...common, ...options, onError: reject, onSuccess: () => resolve(upload) })
    begin(upload, resolve)
  })
}

let done = await started((upload, resolve) => {
  upload.options.onProgress = async (sent) => {
    if (sent < enough) return
    upload.options.onProgress = null
    await upload.abort()
    when = 'after'
    if (once) setTimeout(() => upload.start(), 300) // the aborted request's error comes first, as before any finger
    else resolve()
  }
  upload.start()
})
if (!once) {
  done = await started(async (upload) => {
    const [previous] = await upload.findPreviousUploads()
    if (!previous) throw new Error('nothing to go on with')
    upload.resumeFromPreviousUpload(previous)
    upload.start()
  })
}
console.log(JSON.stringify({ url: done.url, ...offsets }))
