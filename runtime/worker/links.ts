/** A service's clients of the services it calls, whatever the way to them is. */

import { tokensOf } from "../auth/auth.ts";
import type { Config } from "../config/config.ts";
import { type Contract, isSafe, type Peer } from "../contract/contract.ts";
import { ServiceError } from "../errors/errors.ts";
import {
  type Call,
  type CallLimits,
  client,
  direct,
  fetchFailure,
  isSafeRequest,
  overHttp,
  overPort,
  type PortTransport,
  refusedToken,
  type Safe,
} from "../rpc/rpc.ts";
import type { PeerLink } from "../service/service.ts";
import { traceHeaders } from "../trace-context/trace-context.ts";
import { fetchAsSent } from "../upstream/upstream.ts";

/** The clients of a service's peers, which live on while the peers are replaced behind them. */
export function createLinks<P extends Record<string, Contract>>(
  contracts: P,
  given: Record<string, PeerLink>,
  config: Config,
) {
  const limits: CallLimits = { timeoutMs: config.rpc.timeout_ms, inFlightMax: config.rpc.in_flight_max };
  let headers = bearer(config.auth);
  const urls = new Map<string, string>();
  const ports = new Map<string, PortTransport>();
  const relink = (name: string, { url, port }: PeerLink) => {
    urls.set(name, url);
    if (port) ports.get(name)?.attach(port);
    else ports.get(name)?.detach(`${name} is not running`);
  };

  const peers = Object.fromEntries(
    Object.entries(contracts).map(([name, contract]): [string, Peer<Contract>] => {
      const link = given[name];
      if (!link) throw new Error(`topology.ts does not let this service call ${name}`);
      const url = () => urls.get(name) ?? link.url;
      const safe = safeOf(contract);
      const transport = overPort(name, limits, safe);
      // Calls within the process need no token.
      if (link.local) ports.set(name, transport);
      relink(name, link);
      if (link.local) return [name, { verbs: client(contract, transport.call), fetch: transport.fetch }];
      const target = {
        peer: name,
        url,
        isSafe: safe.verb,
        get headers() {
          return headers;
        },
      };
      const call: Call = overHttp(target, limits);
      return [
        name,
        { verbs: client(contract, call), fetch: asOneself(name, overSocket(name, url, safe), () => headers) },
      ];
    }),
  ) as unknown as { [N in keyof P]: Peer<P[N]> };
  /** Requests that begin from now on carry the token of `auth`. */
  const present = (auth: Config["auth"]) => {
    headers = bearer(auth);
  };
  return { peers, relink, present };
}

const safeOf = (contract: Contract): Safe => ({
  verb: (verb) => {
    const endpoint = contract.endpoints[verb];
    return endpoint !== undefined && isSafe(endpoint);
  },
  request: isSafeRequest(contract),
});

type Fetch = Peer<Contract>["fetch"];

/** Services accept several tokens while these are rotated, and present the first. */
function bearer(auth: Config["auth"]): Readonly<Record<string, string>> {
  const [token] = tokensOf(auth);
  return token === undefined ? {} : { authorization: `Bearer ${token}` };
}

/** The request is the calling service's own: its token, and not the address it was itself called from. */
const asOneself =
  (peer: string, fetch: Fetch, auth: () => Readonly<Record<string, string>>): Fetch =>
  async (path, init = {}) => {
    const headers = new Headers(init.headers);
    headers.delete("x-forwarded-for");
    for (const [name, value] of Object.entries({ ...auth(), ...traceHeaders() })) headers.set(name, value);
    const response = await fetch(path, { ...init, headers });
    if (response.status !== 401) return response;
    await response.body?.cancel();
    throw refusedToken(peer);
  };

/**
 * Bytes pass as they are: decoding them here would leave a content-encoding header that no longer holds. A change has a
 * connection of its own: on one that was used before, Bun sends PUT and DELETE again when it breaks.
 */
const overSocket =
  (peer: string, url: () => string, safe: Safe): Fetch =>
  async (path, init = {}) => {
    const isSafe = safe.request(init.method ?? "GET", path);
    try {
      return await fetchAsSent(url() + path, { ...init, ...direct, ...(!isSafe && { keepalive: false }) });
    } catch (cause) {
      if (init.signal?.aborted || cause instanceof ServiceError) throw cause;
      throw fetchFailure(peer, isSafe, cause);
    }
  };
