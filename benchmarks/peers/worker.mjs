// The worker beside app.mjs: BullMQ and sharp, every still from the original, all at once.
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { GetObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { DynamoDBDocumentClient, UpdateCommand } from "@aws-sdk/lib-dynamodb";
import { Worker } from "bullmq";
import sharp from "sharp";

const TableName = process.env.PEER_TABLE;
const Bucket = process.env.S3_BUCKET;
const STILLS = JSON.parse(process.env.PEER_STILLS); // [{name, width, height, format, quality}]
const s3 = new S3Client({ forcePathStyle: true });
const records = DynamoDBDocumentClient.from(new DynamoDBClient());
const { hostname: host, port } = new URL(process.env.REDIS_URL);

async function make(id, original, { name, width, height, format, quality }) {
  const { data, info } = await sharp(original)
    .rotate()
    .resize({ width, height, fit: "inside", withoutEnlargement: true })
    .toFormat(format, { quality })
    .toBuffer({ resolveWithObject: true });
  const Key = `renditions/${id}/${name}.${format}`;
  await s3.send(new PutObjectCommand({ Bucket, Key, Body: data, ContentType: `image/${format}` }));
  return [name, { key: Key, width: info.width, height: info.height, bytes: info.size }];
}

const worker = new Worker(
  "photos",
  async ({ data: { id, s3Key } }) => {
    const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key: s3Key }));
    const original = Buffer.from(await Body.transformToByteArray());
    const made = await Promise.all(STILLS.map((still) => make(id, original, still)));
    await records.send(
      new UpdateCommand({
        TableName,
        Key: { id },
        UpdateExpression: "SET #status = :ready, renditions = :made",
        ExpressionAttributeNames: { "#status": "status" },
        ExpressionAttributeValues: { ":ready": "ready", ":made": Object.fromEntries(made) },
      }),
    );
  },
  { connection: { host, port: Number(port) }, concurrency: 2 },
);
worker.on("failed", (job, error) => console.error(error));
worker.on("ready", () => console.log("ready"));
