/** Whether anybody takes connections at an address. Bun's fetch has no timeout of its own for connecting. */
import type { Clock } from "../../runtime/clock.ts";

/** Opens a connection and closes it again: false when that fails or takes longer than `ms`. */
export async function takesConnections(
  url: string,
  { ms, clock }: { ms: number; clock: Pick<Clock, "after"> },
): Promise<boolean> {
  const { protocol, hostname, port } = new URL(url);
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const stop = clock.after(ms, () => resolve(false));
  const connecting = Bun.connect({
    hostname: hostname.replace(/^\[|\]$/g, ""),
    port: Number(port || (protocol === "https:" ? 443 : 80)),
    socket: {
      open: (socket) => {
        resolve(true);
        socket.end();
      },
      data: () => {},
      connectError: () => resolve(false),
      error: () => resolve(false),
    },
  });
  connecting.catch(() => resolve(false));
  try {
    return await promise;
  } finally {
    stop();
  }
}
