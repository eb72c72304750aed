import { expect, test } from "bun:test";
import { mountable } from "../../support/faults/small-disk.ts";

test.skipIf(!mountable.includes("tmpfs"))(
  "a disk that fills up at random instants loses and damages nothing",
  async () => {
    const words = ["tests/campaigns/faults/disk-full.ts", "--count", "3", "--seed", "7"];
    const run = Bun.spawn([process.execPath, ...words], { stdout: "pipe", stderr: "pipe" });
    const [printed, logged, code] = await Promise.all([
      new Response(run.stdout).text(),
      new Response(run.stderr).text(),
      run.exited,
    ]);
    expect(`${code} ${code === 0 ? "" : logged.slice(-2000)}${code === 0 ? "" : printed.slice(-2000)}`).toBe(
      "0 ",
    );
    const { wrong, acknowledged, refused } = JSON.parse(printed);
    expect(wrong).toEqual([]);
    expect(acknowledged).toBeGreaterThan(0);
    expect(refused).toBeGreaterThan(0);
  },
);
