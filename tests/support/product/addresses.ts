/**
 * Addresses that are known before their service listens, and stay this process' own while it is down.
 *
 * A free port of 127.0.0.1 that is let go of can be taken before the service has it, by another test or by an outgoing
 * connection. All of 127.0.0.0/8 is Linux' loopback, and connections go out from 127.0.0.1: a host made of the process'
 * id is nobody else's. Elsewhere the port is one that nobody listened on a moment ago.
 */
const first = 4000;
const bits = { byte: 0xff, high: 0x3f, own: 64 };
let given = 0;

/** This process' own loopback host, such as 127.64.12.34. */
export const ownHost: string =
  process.platform === "linux"
    ? `127.${bits.own + ((process.pid >> 16) & bits.high)}.${(process.pid >> 8) & bits.byte}.${process.pid & bits.byte}`
    : "127.0.0.1";

/** A port of `ownHost` that was not given before. */
export function ownPort(): number {
  if (process.platform === "linux") return first + given++;
  using server = Bun.serve({ port: 0, hostname: ownHost, fetch: () => new Response() });
  return server.port as number;
}

/** A port of `ownHost` whose number no other process is given, on any of its hosts, until it is released or this one ends. */
export function holdNumber(): { port: number; release: () => void } {
  if (process.platform !== "linux") return { port: ownPort(), release: () => {} };
  const holder = Bun.listen({ port: 0, hostname: "127.0.0.1", socket: { data: () => {} } });
  holder.unref();
  return { port: holder.port, release: () => holder.stop(true) };
}

/** `HOST:PORT` for a service's `bind`. */
export const ownAddress = (): string => `${ownHost}:${ownPort()}`;
