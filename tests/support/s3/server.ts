/**
 * Real S3 servers for tests: two of different make, so that no test rests on what one of them happens to do. They are
 * up in seconds, so every test process has its own, and they end with that process, however that ends.
 */
import { systemClock } from "../../../runtime/scheduling/clock.ts";
import { createLog } from "../../../runtime/telemetry/log.ts";
import { createS3Connection, type S3Server } from "../../../workers/storaged/s3-client/connection.ts";
import type { Held } from "./daemons.ts";
import { startRgw } from "./rgw.ts";
import { startSeaweedfs } from "./seaweedfs.ts";

export type S3Keys = S3Server["keys"];

/** What the file of each make gives. */
export interface RunningS3 extends Held {
  endpoint: string;
}

const makes = { rgw: startRgw, seaweedfs: startSeaweedfs };
export type S3Name = keyof typeof makes;
export const s3Names = Object.keys(makes) as S3Name[];

export interface TestS3 {
  name: S3Name;
  endpoint: string;
  keys: S3Keys;
  /** Makes a bucket with a new name, and returns that. */
  newBucket: () => Promise<string>;
  /** How to reach a bucket, with short limits. */
  server: (bucket: string, changes?: Partial<S3Server>) => S3Server;
  stop: () => Promise<void>;
}

const keys = { accessKeyId: "LAKEHOUSETEST", secretAccessKey: "lakehouse-test-secret" };
/** Both may still be opening their ports when they are first asked. */
const openTimeoutMs = 60_000;

const here = globalThis as { lakehouseTestS3?: Map<S3Name, Promise<TestS3>> };

/** The server of a process that runs campaigns may be that of the test which runs it: where it is, by this variable. */
const variableOf = (name: S3Name): string => `LAKEHOUSE_TEST_S3_${name.toUpperCase()}`;
/** What tells a campaign's process where these servers are. */
export const envOfS3 = (...servers: readonly TestS3[]): Record<string, string> =>
  Object.fromEntries(servers.map(({ name, endpoint }) => [variableOf(name), endpoint]));

/** The server of this process, started at the first call; once more if that fails, as when a port was just taken. Rejects, saying why, when it cannot be had. */
export function testS3(name: S3Name): Promise<TestS3> {
  here.lakehouseTestS3 ??= new Map();
  const running = here.lakehouseTestS3.get(name) ?? start(name).catch(() => start(name));
  here.lakehouseTestS3.set(name, running);
  return running;
}

/**
 * The servers that tests run against here, for a row of tests each. What speaks S3 itself is tested on both. What is
 * built upon a bucket of storaged is tested on the one it names, as the conformance suite has shown that buckets on both
 * behave alike; the campaigns run on either. Where tests must run (`CI=true`) a server that cannot be had fails; elsewhere
 * that is said aloud and its tests are skipped.
 */
export async function testS3Servers(names: readonly S3Name[] = s3Names): Promise<TestS3[]> {
  const found = await Promise.all(
    names.map(async (name) => {
      try {
        return await testS3(name);
      } catch (error) {
        if (process.env.CI === "true") throw error;
        process.stderr.write(`S3 TESTS ON ${name} ARE SKIPPED: ${(error as Error).message}\n`);
        return undefined;
      }
    }),
  );
  return found.filter((server) => server !== undefined);
}

async function start(name: S3Name): Promise<TestS3> {
  const lent = process.env[variableOf(name)];
  if (lent !== undefined) return describeServer(name, lent, async () => {});
  const running = await makes[name](keys);
  const stop = async () => {
    here.lakehouseTestS3?.delete(name);
    await running.stop();
  };
  const test = describeServer(name, running.endpoint, stop);
  try {
    await answers(running.endpoint);
    await test.newBucket();
  } catch (cause) {
    const said = running.said();
    await stop();
    throw new Error(`the S3 server ${name} does not answer: ${said}`, { cause });
  }
  return test;
}

/** Resolves when the server answers at all. */
async function answers(endpoint: string): Promise<void> {
  const end = AbortSignal.timeout(openTimeoutMs);
  for (;;) {
    try {
      await (await fetch(endpoint, { signal: end })).body?.cancel();
      return;
    } catch (cause) {
      if (end.aborted) throw cause;
      await Bun.sleep(20);
    }
  }
}

function describeServer(name: S3Name, endpoint: string, stop: () => Promise<void>): TestS3 {
  const server = (bucket: string, changes: Partial<S3Server> = {}): S3Server => ({
    bucket,
    region: "us-east-1",
    endpoint,
    pathStyle: true,
    keys,
    timeoutMs: 10_000,
    // A server whose port is open may still refuse what its parts are not ready for.
    retries: 8,
    ...changes,
  });
  let made = 0;
  return {
    name,
    endpoint,
    keys,
    server,
    newBucket: async () => {
      made += 1;
      const bucket = `test-${process.pid}-${made}`;
      const connection = createS3Connection({
        name: bucket,
        server: server(bucket),
        clock: systemClock,
        log: createLog("test", "error"),
      });
      await connection.expect({ method: "PUT", signal: new AbortController().signal }, 200);
      return bucket;
    },
    stop,
  };
}
