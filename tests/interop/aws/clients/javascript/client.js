// Reads one object by the AWS SDK for JavaScript v3, writes it under another name and prints it, once a second:
// BUCKET FOLDER ROUNDS.

import { setTimeout } from "node:timers/promises";

import { GetObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";

const [bucket, folder, rounds] = process.argv.slice(2);
const s3 = new S3Client();
for (let round = 0; round < Number(rounds); round++) {
  const answer = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: `${folder}/in` }));
  const content = await answer.Body.transformToString();
  console.log(content);
  await s3.send(new PutObjectCommand({ Bucket: bucket, Key: `${folder}/out-${round}`, Body: content }));
  await setTimeout(1000);
}
