// A page's Uppy: it uploads, is paused in the middle (where it can be), and goes on; the wire is somebody else's to cut.
import Uppy from '@uppy/core'
import Tus from '@uppy/tus'
import AwsS3 from '@uppy/aws-s3'

/** Upload the bytes by one of the modes of `ways` below; returns what Uppy says of the upload, and how often it was paused. */
export async function send(mode, server, projectId, bytes) {
  const headers = { 'Content-Type': 'application/json', 'X-Project-Id': projectId }
  const signRequest = async (request) => {
    const answer = await fetch(`${server}/s3/sign`, { method: 'POST', headers, body: JSON.stringify(request) })
    if (!answer.ok) throw new Error(await answer.text())
    return answer.json()
  }
  const companion = { companionEndpoint: server, allowedMetaFields: ['projectId'] }
  const ways = {
    tus: [Tus, { endpoint: `${server}/files/`, chunkSize: 4 * 1024 * 1024, allowedMetaFields: ['projectId', 'name'] }],
    'sign form': [AwsS3, { signRequest, shouldUseMultipart: false }],
    'sign parts': [AwsS3, { signRequest, shouldUseMultipart: true }],
    'companion form': [AwsS3, { ...companion, shouldUseMultipart: false }],
    'companion parts': [AwsS3, { ...companion, shouldUseMultipart: true }],
  }
  const uppy = new Uppy({ meta: { projectId } })
  uppy.use(...ways[mode])
  const id = uppy.addFile({ name: 'a.png', type: 'image/png', data: new Blob([bytes], { type: 'image/png' }) })
  let pauses = 0
  const pausable = !mode.endsWith('form') // one POST is one POST
  uppy.on('upload-progress', (_, progress) => {
    if (!pausable || pauses || progress.bytesUploaded < progress.bytesTotal * 0.7) return
    pauses += 1
    uppy.pauseResume(id)
    setTimeout(() => uppy.pauseResume(id), 200)
  })
  const { successful, failed } = await uppy.upload()
  if (failed.length) throw new Error(failed[0].error)
  return { uploadURL: successful[0].response.uploadURL, pauses }
}
