// A browser's world for what is written for one, in Node: import it before.
import { registerHooks } from 'node:module'
import { JSDOM } from 'jsdom'

const { window } = new JSDOM('', { url: process.env.ORIGIN, pretendToBeVisual: true })
for (const name of ['window', 'document', 'XMLHttpRequest', 'File', 'Blob', 'FormData', 'DOMParser', 'localStorage']) {
  globalThis[name] = name === 'window' ? window : window[name]
}
Object.defineProperty(globalThis, 'navigator', { value: window.navigator, configurable: true })

// What a bundler does for browsers: tus-js-client has another build for Node.
const browser = { 'tus-js-client': 'tus-js-client/lib.es5/browser/index.js' }
registerHooks({ resolve: (name, context, next) => next(browser[name] ?? name, context) })
