/** Whether an address is reachable. Bun's fetch has no timeout for connecting. */
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import { fetchAsSent } from "../../../runtime/upstream/upstream.ts";

interface CheckOptions {
  /** For each of the two ways, in milliseconds. */
  ms: number;
  clock: Pick<Clock, "after">;
}

/**
 * Whether the address accepts a connection, which a busy server does as well, or else answers a request, which works
 * through an HTTP proxy.
 */
export async function isReachable(url: string, options: CheckOptions): Promise<boolean> {
  return (await takesConnections(url, options)) || (await answers(url, options));
}

async function takesConnections(url: string, { ms, clock }: CheckOptions): Promise<boolean> {
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

async function answers(url: string, { ms, clock }: CheckOptions): Promise<boolean> {
  const controller = new AbortController();
  const stop = clock.after(ms, () => controller.abort());
  try {
    await fetchAsSent(url, { method: "HEAD", signal: controller.signal });
    return true;
  } catch {
    return false;
  } finally {
    stop();
  }
}
