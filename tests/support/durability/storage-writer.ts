/**
 * A program that writes, overwrites and deletes objects until it is killed, and says on standard output what it is
 * about to do ("try KEY N") and what was acknowledged ("ack KEY N"). Arguments: folder of the bucket, seed, the N
 * to begin with.
 */
import { writeSync } from "node:fs";
import { systemClock } from "../../../runtime/scheduling/clock.ts";
import { openLocalBucket } from "../../../workers/storaged/local/local.ts";
import { seeded } from "../campaigns/seeded.ts";

export const writerKeys = Array.from({ length: 8 }, (_, at) => (at % 2 ? `k/${at}` : `deep/er/${at}/k`));

/** What the Nth operation on a key leaves there: its bytes, or undefined when it is a delete. */
export function contentOf(key: string, n: number): Uint8Array<ArrayBuffer> | undefined {
  const random = seeded(n * 31 + key.length);
  if (n === 0 || random() < 0.15) return undefined;
  // Small ones mostly; some take long enough to be killed while they are written.
  const bytes = random() < 0.2 ? 3_000_000 * random() : 20_000 * random();
  const line = new TextEncoder().encode(`${key} ${n}\n`);
  return new Uint8Array(Buffer.alloc(Math.ceil(bytes) + line.length, line));
}

async function write(root: string, seed: number, first: number): Promise<void> {
  const bucket = await openLocalBucket({
    name: "killed",
    root,
    newId: () => crypto.randomUUID(),
    clock: systemClock,
  });
  const { signal } = new AbortController();
  const { staging } = bucket;
  const random = seeded(seed);
  const say = (what: string, key: string, n: number) => writeSync(1, `${what} ${key} ${n}\n`);

  const writeKey = async (key: string) => {
    for (let n = first; ; n++) {
      const content = contentOf(key, n);
      say("try", key, n);
      if (!content) await bucket.remove(key, {}, signal);
      else if (random() < 0.3 && staging) {
        const token = crypto.randomUUID();
        const path = await staging.reserve(token);
        await Bun.write(path, content);
        await (await staging.adopt(key, path)).commit({});
        await staging.release(token);
      } else {
        const body = (async function* () {
          for (let at = 0; at < content.length; at += 65_536) yield content.subarray(at, at + 65_536);
        })();
        await (await bucket.receive(key, body, { bytesMax: 1e9, signal })).commit({});
      }
      say("ack", key, n);
    }
  };
  await Promise.all(writerKeys.map(writeKey));
}

if (import.meta.main) {
  const [root = "", seed = "1", first = "1"] = process.argv.slice(2);
  await write(root, Number(seed), Number(first));
}
