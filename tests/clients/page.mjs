// Opens a page as a browser does (jsdom), chooses a file in it and prints what it says once it says anything.
// node page.mjs PAGE QUERY FILE
import { readFileSync } from 'node:fs'
import { JSDOM } from 'jsdom'

const [page, query, file] = process.argv.slice(2)
const url = new URL(query)
const { window } = new JSDOM(readFileSync(page), { url, runScripts: 'dangerously', pretendToBeVisual: true })
const input = window.document.querySelector('input')
const chosen = new window.File([readFileSync(file)], 'a.png', { type: 'image/png' })
Object.defineProperty(input, 'files', { value: [chosen] })
input.dispatchEvent(new window.Event('change'))
const output = window.document.querySelector('output')
const waiting = setInterval(() => {
  if (!output.value) return
  clearInterval(waiting)
  console.log(JSON.stringify({ says: output.value }))
  process.exit(0)
}, 20)
