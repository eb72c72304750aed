import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { systemClock } from "../../../../runtime/scheduling/clock.ts";
import { openLocalBucket } from "../../../../workers/storaged/local/local.ts";
import { testBucket } from "../../../conformance/bucket.ts";
import { temporaryDirectory } from "../../../support/stacks/in-process.ts";

testBucket("on local disk", async () => {
  const { path, remove } = temporaryDirectory("bucket");
  const bucket = await openLocalBucket({
    name: "test",
    root: path,
    newId: () => crypto.randomUUID(),
    clock: systemClock,
  });
  return {
    bucket,
    leftovers: () => readdir(join(path, ".lakehouse", "staging")),
    stop: async () => {
      await bucket.stop();
      remove();
    },
  };
});
