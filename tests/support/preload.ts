/**
 * Threads and child processes of services in a test's thread run from the product's bundle where there is one of these
 * sources, as those of the product do: they are there in half the time (ADR 0177).
 *
 * `bun test --bench` runs the benchmarks instead of the tests: Bun ignores the flag, so it is read from the kernel's copy of the command line.
 */
import { afterAll } from "bun:test";
import { appendFileSync, readFileSync } from "node:fs";
import { relative } from "node:path";
import { holdBundle, presentBundle } from "../../runtime/image/image.ts";
import { startProgramsFrom } from "../../runtime/program/program.ts";

const commandLine = (): string[] => {
  try {
    return readFileSync("/proc/self/cmdline", "utf8").split("\0");
  } catch {
    const ps = Bun.spawnSync(["ps", "-o", "args=", "-p", String(process.pid)]);
    return ps.stdout.toString().trim().split(/\s+/);
  }
};

const words = commandLine();
if (words.includes("--bench") && process.env.LAKEHOUSE_BENCH === undefined) {
  const named = words.slice(words.indexOf("test") + 1).filter((word) => word !== "" && word !== "--bench");
  const all = [...new Bun.Glob("tests/bench/**/*.bench.ts").scanSync(".")].sort().map((file) => `./${file}`);
  const chosen = named.length === 0 ? all : all.filter((file) => named.some((name) => file.includes(name)));
  const run = Bun.spawnSync([process.execPath, "test", "--timeout=1800000", ...chosen], {
    stdio: ["inherit", "inherit", "inherit"],
    env: { ...process.env, LAKEHOUSE_BENCH: "1" },
  });
  process.exit(run.exitCode ?? 1);
}

const bundle = presentBundle();
if (bundle !== undefined) {
  holdBundle(bundle);
  startProgramsFrom(bundle);
}

/** Processor time of this process and of those that it has waited for, in ticks of 10 ms (proc_pid_stat(5)). */
const ticks = (): number =>
  readFileSync("/proc/self/stat", "utf8")
    .split(") ")
    .at(-1)
    ?.split(" ")
    .slice(11, 15)
    .reduce((sum, text) => sum + Number(text), 0) ?? 0;

/** Where `bun run test` reads what each file took, which a busy machine changes little: `seconds file`, one a line. */
const costs = process.env.LAKEHOUSE_TEST_COSTS;
if (costs !== undefined && process.platform === "linux") {
  let before = ticks();
  afterAll(() => {
    const now = ticks();
    appendFileSync(costs, `${(now - before) / 100} ${relative(process.cwd(), Bun.main)}\n`);
    before = now;
  });
}
