// Uppy in a browser's world. node uppy.mjs MODE SERVER PROJECT FILE: prints what Uppy says of the upload, as JSON.
import { readFileSync } from 'node:fs'
import './browser.mjs'

const [mode, server, projectId, file] = process.argv.slice(2)
const { send } = await import('./sending.mjs')
console.log(JSON.stringify(await send(mode, server, projectId, readFileSync(file))))
process.exit(0)
