// The whole application as teams write it: Express and multer-s3, a DynamoDB record, a BullMQ job for the worker.
import { randomUUID } from "node:crypto";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { S3Client } from "@aws-sdk/client-s3";
import { DynamoDBDocumentClient, GetCommand, PutCommand } from "@aws-sdk/lib-dynamodb";
import { Queue } from "bullmq";
import express from "express";
import multer from "multer";
import multerS3 from "multer-s3";

const TableName = process.env.PEER_TABLE;
const s3 = new S3Client({ forcePathStyle: true });
const records = DynamoDBDocumentClient.from(new DynamoDBClient());
const { hostname: host, port } = new URL(process.env.REDIS_URL);
const queue = new Queue("photos", { connection: { host, port: Number(port) } });
const upload = multer({
  storage: multerS3({
    s3,
    bucket: process.env.S3_BUCKET,
    contentType: (request, file, done) => done(null, file.mimetype),
    key: (request, file, done) => done(null, `projects/${request.body.projectId}/${randomUUID()}/${file.originalname}`),
  }),
});

const app = express();
app.get("/healthz", (request, response) => response.send("ok"));
app.post("/api/upload", upload.single("file"), async (request, response) => {
  const { key: s3Key, location: url, originalname, mimetype, size } = request.file;
  const { projectId } = request.body;
  const id = randomUUID();
  const uploadDate = new Date().toISOString();
  const Item = { id, projectId, originalName: originalname, mimeType: mimetype, size, s3Key, url, uploadDate, status: "uploaded" };
  await records.send(new PutCommand({ TableName, Item }));
  await queue.add("thumbnails", { id, s3Key }, { attempts: 5, backoff: { type: "exponential", delay: 1000 }, removeOnComplete: true });
  response.status(201).json({ success: true, mediaId: id, url, s3Key });
});
app.get("/api/media/:id", async (request, response) => {
  const { Item } = await records.send(new GetCommand({ TableName, Key: { id: request.params.id } }));
  response.status(Item ? 200 : 404).json(Item ?? {});
});
const server = app.listen(Number(process.env.PORT), "127.0.0.1");
server.requestTimeout = 0;
