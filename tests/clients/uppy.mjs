// Uppy in a browser's world (jsdom). node uppy.mjs MODE SERVER PROJECT FILE: prints what Uppy says of the upload, as JSON.
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

const { send } = await import('./sending.mjs')
console.log(JSON.stringify(await send(mode, server, projectId, readFileSync(file))))
process.exit(0)
