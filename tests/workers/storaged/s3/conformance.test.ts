import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { systemClock } from "../../../../runtime/scheduling/clock.ts";
import { createLog } from "../../../../runtime/telemetry/log.ts";
import { openS3Bucket } from "../../../../workers/storaged/s3/s3.ts";
import { openUploadLedger } from "../../../../workers/storaged/s3/upload-ledger.ts";
import { createS3Connection } from "../../../../workers/storaged/s3-client/connection.ts";
import { elements } from "../../../../workers/storaged/s3-client/xml.ts";
import { inPieces, noise, testBucket } from "../../../conformance/bucket.ts";
import { inventoryIn } from "../../../support/s3/inventory.ts";
import { testS3Servers } from "../../../support/s3/server.ts";
import { temporaryDirectory } from "../../../support/stacks/in-process.ts";

const log = createLog("test", "error");
const newId = () => crypto.randomUUID();
const { signal } = new AbortController();

describe.each(await testS3Servers())("S3 on $name", (s3) => {
  const subject = async () => {
    const server = s3.server(await s3.newBucket());
    const directory = temporaryDirectory("uploads");
    const ledger = await openUploadLedger(directory.path);
    const { inventory, closeMarks } = await inventoryIn(directory.path, { log });
    const bucket = openS3Bucket({ name: "test", server, clock: systemClock, log, newId, ledger, inventory });
    const connection = createS3Connection({ name: "test", server, clock: systemClock, log });
    return {
      bucket,
      leftovers: async () => {
        const { text } = await connection.expect({ method: "GET", query: { uploads: "" }, signal }, 200);
        return elements(text, "Upload");
      },
      stop: async () => {
        expect;
        await bucket.stop();
        await closeMarks();
        directory.remove();
      },
    };
  };
  testBucket("on an S3 server", subject, s3.name === "seaweedfs" ? ["back\\slash"] : []);

  test("uploads that a killed process left behind are aborted at the next start", async () => {
    const server = s3.server(await s3.newBucket());
    const connection = createS3Connection({ name: "test", server, clock: systemClock, log });
    const open = async () =>
      elements(
        (await connection.expect({ method: "GET", query: { uploads: "" }, signal }, 200)).text,
        "Upload",
      );
    const directory = temporaryDirectory("uploads");
    const options = { name: "test", server, clock: systemClock, log, newId };
    const first = openS3Bucket({ ...options, ledger: await openUploadLedger(directory.path) });
    await first.receive("left", inPieces(noise(9 << 20)), { bytesMax: 1 << 30, signal });
    expect(await open()).toHaveLength(1);
    writeFileSync(join(directory.path, "torn.json"), '{"bucket":"te');

    const second = openS3Bucket({ ...options, ledger: await openUploadLedger(directory.path) });
    while (second.notReady().length > 0) await Bun.sleep(1);
    expect(await open()).toEqual([]);
    expect(await readdir(directory.path)).toEqual([]);
    await first.stop();
    await second.stop();
    directory.remove();
  });
});
