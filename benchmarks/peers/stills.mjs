// Stills with sharp: `plain` as people write it, each from the file; `cascade` as an expert tunes it, each from the one
// before. The job and the talk are those of laps.py.
import { createInterface } from "node:readline";
import { join } from "node:path";
import sharp from "sharp";

const job = JSON.parse(process.argv[2]);
const suffixes = { jpeg: ".jpg", webp: ".webp", avif: ".avif" };
const path = ({ name, format }) => join(job.folder, name.split(".")[0] + suffixes[format]);
const box = ({ width, height }) => ({ width, height, fit: "inside", withoutEnlargement: true });

function encoded(image, { format, quality, effort, progressive }) {
  if (job.defaults) return image.toFormat(format, { quality });
  if (format === "jpeg") return image.jpeg({ quality, progressive });
  if (format === "webp") return image.webp({ quality, effort });
  return image.avif({ quality, effort: 9 - effort, chromaSubsampling: "4:2:0" });
}

async function plain(file) {
  const made = job.stills.map((still) => encoded(sharp(file).rotate().resize(box(still)), still).toFile(path(still)));
  if (job.stills.length > 1) made.push(sharp(file).rotate().resize(32, 32, { fit: "inside" }).webp({ quality: 40 }).toBuffer());
  await Promise.all(made);
}

async function cascade(file) {
  const stills = job.stills.toSorted((a, b) => b.width - a.width);
  const pixels = (image, still) => image.resize(box(still)).raw().toBuffer({ resolveWithObject: true });
  const open = ({ data, info }) => sharp(data, { raw: { width: info.width, height: info.height, channels: info.channels } });
  const made = [];
  let picture = await pixels(sharp(file).rotate(), stills[0]);
  for (const still of stills) {
    if (still.width < Math.max(picture.info.width, picture.info.height)) picture = await pixels(open(picture), still);
    made.push(encoded(open(picture), still).toFile(path(still)));
  }
  made.push(open(picture).resize(32, 32, { fit: "inside" }).webp({ quality: 40 }).toBuffer());
  await Promise.all(made);
}

const make = { plain, cascade }[job.style];
await make(job.files[0]);
console.log("ready");
for await (const _ of createInterface({ input: process.stdin })) {
  for (let round = 0; round < job.repeat; round++) for (const file of job.files) await make(file);
  console.log("done");
}
