// The page of tests/browser/test_uppy.py: uploads by each mode in turn, and tells the page's server how it went.
import { send } from './sending.mjs'

const query = new URLSearchParams(location.search)
const tell = (told) => fetch('/', { method: 'POST', body: JSON.stringify(told) })
addEventListener('unhandledrejection', ({ reason }) => tell({ failed: String(reason) }))
const bytes = await (await fetch('/a.png')).arrayBuffer()
for (const [number, mode] of query.getAll('mode').entries()) {
  const server = query.getAll('server')[number]
  await send(mode, server, query.getAll('project')[number], bytes).then(tell, (error) => tell({ failed: String(error) }))
}
