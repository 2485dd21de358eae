// Resumable uploads as @tus/s3-store's README sets them up.
import { S3Store } from "@tus/s3-store";
import { Server } from "@tus/server";
import { createServer } from "node:http";

const datastore = new S3Store({
  partSize: 8 * 1024 * 1024,
  useTags: false, // the null S3 has none, and SeaweedFS need not work for what nobody reads
  s3ClientConfig: { bucket: process.env.S3_BUCKET, region: process.env.AWS_REGION, forcePathStyle: true },
});
const tus = new Server({ path: "/files", datastore });
const server = createServer((request, response) => {
  if (request.url === "/healthz") response.end("ok");
  else tus.handle(request, response);
});
server.requestTimeout = 0;
server.listen(Number(process.env.PORT), "127.0.0.1");
