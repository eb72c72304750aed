/** Where the services listen: each address free, held by this Lakehouse, or taken by something else. */
import { createServer } from "node:net";
import { parseBind, urlOf } from "../../runtime/addresses/addresses.ts";
import type { Config, ServiceSection } from "../../runtime/config/config.ts";
import { errorCode } from "../../runtime/durable/durable.ts";
import { listening } from "../command-line/command-line.ts";
import { type Check, missing, ok } from "./check.ts";

const answerTimeoutMs = 3000;

/** Listens there for a moment; the error's code when that cannot be, and the port that was given. */
function tryListen(host: string, port: number): Promise<{ code?: string; port: number }> {
  const { promise, resolve } = Promise.withResolvers<{ code?: string; port: number }>();
  const server = createServer();
  server.once("error", (error) => resolve({ code: errorCode(error) ?? "unknown", port }));
  server.listen({ host, port, exclusive: true }, () => {
    const address = server.address();
    const given = typeof address === "object" && address ? address.port : port;
    server.close(() => resolve({ port: given }));
  });
  return promise;
}

/** Which service answers there, if it is one of Lakehouse's. */
async function serviceAt(origin: string): Promise<string | undefined> {
  try {
    const response = await fetch(`${origin}/health`, { signal: AbortSignal.timeout(answerTimeoutMs) });
    const { service } = (await response.json()) as { service?: unknown };
    return typeof service === "string" ? service : undefined;
  } catch {
    return undefined; // something else answers, or nothing
  }
}

export interface Port {
  service: ServiceSection;
  check: Check;
  /** Where it answers already. */
  url?: string;
}

/** A service with a `url` runs in another process: it should answer there, and its port here is not needed. */
async function elsewhere(service: ServiceSection, url: string): Promise<Port> {
  const name = `port ${service}`;
  const origin = url.replace(/\/$/, "");
  const found = await serviceAt(origin);
  if (found === service) return { service, url: origin, check: ok(name, false, `answers at ${origin}`) };
  const seen = found === undefined ? `nothing answers at ${origin}/health` : `${origin} is ${found}`;
  const fix = `start it there (--only ${service}), or correct ${service}.url`;
  return { service, check: missing(name, false, seen, fix) };
}

async function portOf(config: Config, service: ServiceSection): Promise<Port> {
  const { bind, url } = config[service];
  if (url !== "") return elsewhere(service, url);
  const name = `port ${service}`;
  const { host, port } = parseBind(bind);
  const { code } = await tryListen(host, port);
  if (code === undefined) return { service, check: ok(name, true, `${bind} is free`) };
  const variable = `LH_${service.toUpperCase()}_BIND`;
  if (code === "EADDRINUSE") {
    const origin = urlOf(bind, port);
    if ((await serviceAt(origin)) === service)
      return { service, url: origin, check: ok(name, true, `${bind} is held by this Lakehouse`) };
    const { port: free } = await tryListen(host, 0);
    const fix = `stop what listens there (ss -ltnp 'sport = :${port}' names it), or set ${variable}=${host.includes(":") ? `[${host}]` : host}:${free}`;
    return { service, check: missing(name, true, `${bind} is taken by another program`, fix) };
  }
  const why =
    code === "EADDRNOTAVAIL" || code === "ENOTFOUND"
      ? `${host} is no address of this machine`
      : `cannot listen on ${bind} (${code})`;
  const fix = `set ${variable} to an address of this machine (ip address) and a port from 1024 on`;
  return { service, check: missing(name, true, why, fix) };
}

export const ports = (config: Config): Promise<Port[]> =>
  Promise.all(listening(config).map((service) => portOf(config, service)));
