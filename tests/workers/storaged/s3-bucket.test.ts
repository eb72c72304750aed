import { describe } from "bun:test";
import { systemClock } from "../../../runtime/clock.ts";
import { createLog } from "../../../runtime/log.ts";
import { openS3Bucket } from "../../../workers/storaged/s3-bucket.ts";
import { createS3Connection } from "../../../workers/storaged/s3-connection.ts";
import { elements } from "../../../workers/storaged/s3-xml.ts";
import { testBucket } from "../../conformance/bucket.ts";
import { hasTestS3, testS3 } from "../../support/s3-server.ts";

const log = createLog("test", "error");
const newId = () => crypto.randomUUID();
const { signal } = new AbortController();

describe.skipIf(!(await hasTestS3()))("S3", () => {
  testBucket("on an S3 server", async () => {
    const s3 = await testS3();
    const server = s3.server(await s3.newBucket());
    const bucket = openS3Bucket({ name: "test", server, clock: systemClock, log, newId });
    const connection = createS3Connection({ name: "test", server, clock: systemClock, log });
    return {
      bucket,
      leftovers: async () => {
        const { text } = await connection.expect({ method: "GET", query: { uploads: "" }, signal }, 200);
        return elements(text, "Upload");
      },
      stop: () => bucket.stop(),
    };
  });
});
