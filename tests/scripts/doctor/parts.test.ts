/** What one machine cannot show: limits of a cgroup, network file systems, stale units, probes that hang. */
import { afterAll, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { memoryBytes } from "../../../runtime/memory/memory.ts";
import { bounded, ok } from "../../../scripts/doctor/check.ts";
import { units } from "../../../scripts/doctor/installation.ts";
import { memory, openFiles, ownLimits } from "../../../scripts/doctor/machine.ts";
import { fileLocks } from "../../../scripts/doctor/places.ts";
import { unitFiles } from "../../../scripts/generate/units.ts";
import { run } from "../../../scripts/subprocess/run.ts";
import { configWith, temporaryDirectory } from "../../support/stacks/in-process.ts";

const { path, remove } = temporaryDirectory("doctor-parts");
afterAll(remove);

const GiB = 1024 ** 3;

test("memory: what is configured against what is there, each part with its limit", () => {
  const config = configWith({});
  for (const there of [0.5, 1, 2, 16]) expect(memory(config, there * GiB).state).toBe("ok");
  expect(memory(config, GiB).found).toContain("vectord.max_memory_bytes 0.2 GiB");
  const large = configWith({ vectord: { max_memory_bytes: 2 * GiB }, queryd: { memory_limit: "1GB" } });
  expect(memory(large, 2.5 * GiB)).toMatchObject({ state: "missing", required: false });
  expect(memory(large, GiB)).toMatchObject({ state: "missing", required: true });
  expect(memory(config, GiB / 4)).toMatchObject({ state: "missing", required: true });
});

test("sizes as DuckDB writes them", () => {
  expect(["2GB", "1.5 GiB", "100MB", "1TiB"].map(memoryBytes)).toEqual([2e9, 1.5 * GiB, 1e8, 1024 * GiB]);
});

test("open files", () => {
  const limits = (hard: string) =>
    `Limit  Soft Limit  Hard Limit  Units\nMax open files            1024                 ${hard}    files\n`;
  expect(openFiles(limits("1024")).state).toBe("missing");
  expect(openFiles(limits("65536")).state).toBe("ok");
  expect(openFiles(limits("unlimited")).state).toBe("ok");
  // Where there is no /proc, as on macOS, the shell says the same.
  const hard = (text: string) => /^Max open files\s+\S+\s+(\S+)/m.exec(text)?.[1];
  expect(hard(ownLimits("/proc/nowhere"))).toBe(hard(ownLimits()));
});

test("a network file system is told, though its locks work", async () => {
  const config = configWith({ data_dir: path });
  expect(await fileLocks(config)).toMatchObject({ state: "ok", required: true });
  expect(await fileLocks(config, 0x6969)).toMatchObject({
    state: "missing",
    required: false,
    found: "work, on a network file system (NFS)",
  });
});

test("units of systemd that are installed must be those of this version", () => {
  const folder = join(path, "units");
  mkdirSync(folder);
  expect(units(folder)).toMatchObject({ state: "ok", found: "none are installed" });
  for (const [name, content] of unitFiles()) writeFileSync(join(folder, name), content);
  writeFileSync(join(folder, "nginx.service"), "");
  expect(units(folder)).toMatchObject({ state: "ok", found: expect.stringContaining("13 installed") });
  writeFileSync(join(folder, "lakehouse-queryd.service"), "[Service]\n");
  writeFileSync(join(folder, "lakehouse-gone.service"), "");
  const stale = units(folder);
  expect(stale).toMatchObject({ state: "missing", required: false });
  expect(stale.found).toContain("lakehouse-queryd.service");
  expect(stale.fix).toStartWith(`rm ${join(folder, "lakehouse-gone.service")}; `);
});

test("a probe that hangs or breaks is a check that is missing", async () => {
  const hung = await bounded("slow", true, () => new Promise<never>(() => {}), 20);
  expect(hung).toMatchObject([{ name: "slow", required: true, state: "missing" }]);
  const broke = await bounded("odd", false, () => Promise.reject(new Error("why")));
  expect(broke).toMatchObject([{ name: "odd", required: false, state: "missing", found: "why" }]);
  expect(await bounded("well", true, () => ok("well", true, "is"))).toEqual([ok("well", true, "is")]);
  expect((await run(["sleep", "60"], { timeoutMs: 50 })).code).not.toBe(0);
  expect((await run(["nobody-has-this-program"], { timeoutMs: 1000 })).code).toBe(-1);
});
