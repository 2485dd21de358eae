// A photo route as it was with multer-s3:
//
//   const upload = multer({ storage: multerS3({ s3, bucket: 'media', key: (req, file, done) => done(null, file.originalname) }) })
//   app.post('/photos', upload.single('file'), (req, res) => res.status(201).json({ url: req.file.location }))
//
// With Darkroom the form goes on as it comes: nothing is parsed, buffered or resized in this process.
import { Readable } from 'node:stream'
import express from 'express'

const darkroom = process.env.DARKROOM_URL ?? 'http://127.0.0.1:8000'
const credentials = process.env.DARKROOM_KEY ? { authorization: `Bearer ${process.env.DARKROOM_KEY}` } : {}
const app = express()

app.post('/albums/:album/photos', async (req, res) => {
  // Who may add to this album is this application's to say, and is said here.
  const headers = { ...credentials, 'x-project-id': req.params.album }
  for (const name of ['content-type', 'content-length', 'idempotency-key']) if (req.get(name)) headers[name] = req.get(name)
  const answer = await fetch(`${darkroom}/api/upload`, { method: 'POST', headers, body: Readable.toWeb(req), duplex: 'half' })
  res.status(answer.status).json(await answer.json())
})

app.get('/photos/:id', async (req, res) => {
  const answer = await fetch(`${darkroom}/api/media/${encodeURIComponent(req.params.id)}`, { headers: credentials })
  const { id, status, urls, placeholder } = await answer.json()
  res.status(answer.status).json({ id, status, urls, placeholder })
})

app.use((error, _req, res, _next) => res.status(502).json({ success: false, error: 'Uploads are away.', code: error.code }))

app.listen(Number(process.env.PORT ?? 3000), '127.0.0.1', () => console.log('ready'))
