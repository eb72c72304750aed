/** Readiness for systemd (`Type=notify`): sd_notify(3) of libsystemd, which every machine with systemd has. */
import { dlopen, FFIType } from "bun:ffi";

/**
 * Tells systemd of a new state, as in `READY=1`; nothing where no systemd waits for it. Returns why it could not, or
 * undefined.
 */
export function notifySystemd(state: string): string | undefined {
  if (!process.env.NOTIFY_SOCKET) return undefined;
  try {
    const library = dlopen("libsystemd.so.0", {
      sd_notify: { args: [FFIType.i32, FFIType.cstring], returns: FFIType.i32 },
    });
    try {
      const sent = library.symbols.sd_notify(0, Buffer.from(`${state}\0`));
      return sent > 0 ? undefined : `sd_notify answered ${sent}`;
    } finally {
      library.close();
    }
  } catch (cause) {
    return (cause as Error).message;
  }
}
