// Uppy in a browser's world (jsdom): it uploads, is paused in the middle, and goes on.
// node uppy.mjs MODE SERVER PROJECT FILE: prints what Uppy says of the upload, as JSON.
import { readFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { JSDOM } from 'jsdom'

const [mode, server, projectId, file] = process.argv.slice(2)
const { window } = new JSDOM('', { url: new URL(server).origin, pretendToBeVisual: true })
for (const name of ['window', 'document', 'XMLHttpRequest', 'File', 'Blob', 'FormData', 'DOMParser', 'localStorage']) {
  globalThis[name] = name === 'window' ? window : window[name]
}
Object.defineProperty(globalThis, 'navigator', { value: window.navigator, configurable: true })

// What a bundler does for browsers: tus-js-client has another build for Node.
const browser = { 'tus-js-client': 'tus-js-client/lib.es5/browser/index.js' }
registerHooks({ resolve: (name, context, next) => next(browser[name] ?? name, context) })

const { default: Uppy } = await import('@uppy/core')
const { default: Tus } = await import('@uppy/tus')
const { default: AwsS3 } = await import('@uppy/aws-s3')

const json = { 'Content-Type': 'application/json', 'X-Project-Id': projectId }
const signRequest = async (request) => {
  const answer = await fetch(`${server}/s3/sign`, { method: 'POST', headers: json, body: JSON.stringify(request) })
  if (!answer.ok) throw new Error(await answer.text())
  return answer.json()
}
const modes = {
  tus: [Tus, { endpoint: `${server}/files/`, chunkSize: 4 * 1024 * 1024, allowedMetaFields: ['projectId', 'name'] }],
  'sign form': [AwsS3, { signRequest, shouldUseMultipart: false }],
  'sign parts': [AwsS3, { signRequest, shouldUseMultipart: true }],
  'companion form': [AwsS3, { companionEndpoint: server, shouldUseMultipart: false, allowedMetaFields: ['projectId'] }],
  'companion parts': [AwsS3, { companionEndpoint: server, shouldUseMultipart: true, allowedMetaFields: ['projectId'] }],
}
const uppy = new Uppy({ meta: { projectId } })
uppy.use(...modes[mode])
const id = uppy.addFile({ name: 'a.png', type: 'image/png', data: new Blob([readFileSync(file)], { type: 'image/png' }) })

let pauses = 0
const pausable = mode === 'tus' || mode.endsWith('parts')
uppy.on('upload-progress', (_, progress) => {
  if (!pausable || pauses || progress.bytesUploaded < progress.bytesTotal / 2) return
  pauses += 1
  uppy.pauseResume(id)
  setTimeout(() => uppy.pauseResume(id), 200)
})
const { successful, failed } = await uppy.upload()
if (failed.length) throw new Error(failed[0].error)
console.log(JSON.stringify({ ...successful[0].response, pauses }))
process.exit(0)
