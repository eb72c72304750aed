/** Readiness for systemd (`Type=notify`): sd_notify(3) of libsystemd, which every machine with systemd has. */
import { dlopen, FFIType } from "bun:ffi";

const monotonicClock = 1;

/**
 * Tells systemd that a reload begins. It takes READY=1 for its end only when that came later than the moment given
 * here. Nothing where no systemd waits: other systems have neither this clock nor this library.
 */
export function notifyReloading(): string | undefined {
  return process.env.NOTIFY_SOCKET ? notifySystemd(reloadingState) : undefined;
}

function reloadingState(): string {
  const library = dlopen("libc.so.6", {
    clock_gettime: { args: [FFIType.i32, FFIType.ptr], returns: FFIType.i32 },
  });
  try {
    const time = new BigInt64Array(2);
    library.symbols.clock_gettime(monotonicClock, time);
    const [seconds = 0n, nanoseconds = 0n] = time;
    return `RELOADING=1\nMONOTONIC_USEC=${seconds * 1_000_000n + nanoseconds / 1000n}`;
  } finally {
    library.close();
  }
}

/**
 * Tells systemd of a new state, as in `READY=1`; nothing where no systemd waits for it. Returns why it could not, or
 * undefined.
 */
export function notifySystemd(state: string | (() => string)): string | undefined {
  if (!process.env.NOTIFY_SOCKET) return undefined;
  try {
    const library = dlopen("libsystemd.so.0", {
      sd_notify: { args: [FFIType.i32, FFIType.cstring], returns: FFIType.i32 },
    });
    try {
      const sent = library.symbols.sd_notify(
        0,
        Buffer.from(`${typeof state === "string" ? state : state()}\0`),
      );
      return sent > 0 ? undefined : `sd_notify answered ${sent}`;
    } finally {
      library.close();
    }
  } catch (cause) {
    return (cause as Error).message;
  }
}
