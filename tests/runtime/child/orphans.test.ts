/** No child outlives the thread that started it, whatever it computes and however the thread ends. */
import { afterAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

const fixture = (name: string) => new URL(`../../fixtures/runtime/${name}.ts`, import.meta.url);
const scratch = temporaryDirectory("orphans");
afterAll(scratch.remove);

/** Processor time that it used, in ticks; undefined when it is gone, or only waits to be counted as gone. */
function ticks(pid: number): number | undefined {
  try {
    const [state, ...rest] = readFileSync(`/proc/${pid}/stat`, "latin1").split(") ").at(-1)?.split(" ") ?? [];
    return state === "Z" || state === "X" ? undefined : Number(rest[10]) + Number(rest[11]);
  } catch {
    return undefined;
  }
}

/** Asks until it holds; the test's own limit ends a run in which it never does. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await Bun.sleep(5);
}

async function untilItSpins(pid: number): Promise<void> {
  const before = ticks(pid);
  expect(before).toBeDefined();
  await until(() => (ticks(pid) ?? Number.POSITIVE_INFINITY) > (before ?? 0) + 5);
}

describe.if(process.platform === "linux")("a child that computes for ever ends", () => {
  test("with the thread that started it", async () => {
    const worker = new Worker(fixture("pool-worker"), { workerData: scratch.path });
    const pid = await new Promise<number>((resolve) => worker.on("message", resolve));
    await untilItSpins(pid);
    await worker.terminate();
    await until(() => ticks(pid) === undefined);
  });

  test("with a process that is killed", async () => {
    const owner = Bun.spawn([process.execPath, fixture("pool-process").pathname, scratch.path], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const { value } = await owner.stdout.getReader().read();
    const pid = Number(new TextDecoder().decode(value));
    await untilItSpins(pid);
    owner.kill("SIGKILL");
    await owner.exited;
    await until(() => ticks(pid) === undefined);
  });
});
