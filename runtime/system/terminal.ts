/** SIGHUP has two meanings: "read your configuration again", and "the terminal you run in is closed". */
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";

/** Time between the signal that the session leader has ended and the loss of the terminal, in milliseconds. */
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

/**
 * The first bit of the ignored signals is SIGHUP: proc(5), and where there is no such file, as on macOS, ps(1). Where
 * neither is known, a closed terminal stops the product, as it stops others.
 */
export function ignoresHangup(status = "/proc/self/status"): boolean {
  const [, ignored = "0"] = existsSync(status)
    ? (/^SigIgn:\s*([0-9a-f]+)$/m.exec(readFileSync(status, "utf8")) ?? [])
    : (/^\s*(?:0x)?([0-9a-f]+)\s*$/.exec(ignoredByPs()) ?? []);
  return (BigInt(`0x${ignored}`) & 1n) === 1n;
}

const ignoredByPs = (): string =>
  Bun.which("ps") === null
    ? ""
    : Bun.spawnSync(["ps", "-o", "ignored=", "-p", String(process.pid)]).stdout.toString();
