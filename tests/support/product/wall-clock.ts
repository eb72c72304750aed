/** A wall clock of one process that is set at will, while its monotonic clock goes on: see wall-clock.c. */
import { closeSync, openSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { temporaryDirectory } from "../stacks/in-process.ts";

export interface WallClock {
  /** What a process needs to live by this clock. */
  env: Record<string, string>;
  /** Seconds from the true time; at once, for every process that lives by it. */
  set: (seconds: number) => void;
  remove: () => void;
}

const compiler = Bun.which("cc") ?? Bun.which("gcc");

export const canSetWallClock = compiler !== null && process.platform === "linux";

/** Throws where it cannot be compiled. */
export function makeWallClock(): WallClock {
  const home = temporaryDirectory("clock");
  const library = join(home.path, "wall-clock.so");
  const source = join(import.meta.dir, "../../fixtures/runtime/wall-clock.c");
  const made = Bun.spawnSync([compiler ?? "cc", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], {
    stderr: "pipe",
  });
  if (made.exitCode !== 0) throw new Error(`wall-clock.c: ${made.stderr.toString()}`);
  const shared = join(home.path, "offset");
  writeFileSync(shared, Buffer.alloc(8));
  return {
    env: { LD_PRELOAD: library, LAKEHOUSE_CLOCK: shared },
    set: (seconds) => {
      const bytes = Buffer.alloc(8);
      bytes.writeBigInt64LE(BigInt(seconds));
      const file = openSync(shared, "r+");
      writeSync(file, bytes, 0, bytes.length, 0);
      closeSync(file);
    },
    remove: home.remove,
  };
}
