/** SIGHUP has two meanings: "read your configuration again", and "the terminal you run in is closed". */
import { closeSync, openSync, readFileSync } from "node:fs";

/** A session whose leader ends hears of it before the kernel takes the terminal away, in milliseconds. */
const settlesMs = 50;

/**
 * Watches the terminal that this process runs in. `isClosed` resolves to whether there was one and is none any more;
 * under `nohup`, which is there to outlive it, that is never said.
 */
export function watchTerminal(): { isClosed: () => Promise<boolean> } {
  const matters = hasTerminal() && !ignoresHangup();
  return {
    isClosed: async () => {
      if (!matters) return false;
      await Bun.sleep(settlesMs);
      return !hasTerminal();
    },
  };
}

/** /dev/tty is the controlling terminal, and cannot be opened without one (tty(4)). */
function hasTerminal(): boolean {
  try {
    closeSync(openSync("/dev/tty", "r"));
    return true;
  } catch {
    return false;
  }
}

/** The first bit of the ignored signals is SIGHUP (proc(5)). */
function ignoresHangup(): boolean {
  const [, ignored = "0"] = /^SigIgn:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "utf8")) ?? [];
  return (BigInt(`0x${ignored}`) & 1n) === 1n;
}
