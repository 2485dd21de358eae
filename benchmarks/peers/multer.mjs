// The upload route that teams write: Express and multer-s3, as multer-s3's README has it.
import { randomUUID } from "node:crypto";
import { S3Client } from "@aws-sdk/client-s3";
import express from "express";
import multer from "multer";
import multerS3 from "multer-s3";

const s3 = new S3Client({ forcePathStyle: true });
const bucket = process.env.S3_BUCKET;
const upload = multer({
  storage: multerS3({
    s3,
    bucket,
    contentType: (request, file, done) => done(null, file.mimetype),
    key: (request, file, done) => done(null, `projects/${request.body.projectId}/${randomUUID()}/${file.originalname}`),
  }),
  limits: { fileSize: 600e6 },
});

const app = express();
app.get("/healthz", (request, response) => response.send("ok"));
app.post("/api/upload", upload.single("file"), (request, response) => {
  response.status(201).json({ success: true, url: request.file.location, s3Key: request.file.key });
});
const server = app.listen(Number(process.env.PORT), "127.0.0.1");
server.requestTimeout = 0; // a slow client may take its time
