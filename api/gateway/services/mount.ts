/** The contracts of the services under /v1: small calls over channels, streams proxied; and the API's description. */

import { bufferedResponse } from "../../../runtime/bodies/bodies.ts";
import {
  type CallOptions,
  type Contract,
  mutates,
  type Peer,
  pathOf,
  placesOf,
  prefixOf,
  type RawContext,
} from "../../../runtime/contract/contract.ts";
import { fail } from "../../../runtime/errors/errors.ts";
import type { Face, Handler, RawHandler } from "../../../runtime/http/http.ts";
import type { Idempotency } from "../../../runtime/idempotency/idempotency.ts";
import type { Invoke } from "../../../runtime/rpc/rpc.ts";
import type { Deps } from "../../../runtime/service/service.ts";
import { durable } from "../../../runtime/worker/worker.ts";
import { mountConsole } from "../../console/console.ts";
import { gateway } from "../contract.ts";
import { type Mounted, mounted } from "../mounted.ts";
import { docsHeaders, docsPage, openApi } from "../openapi/openapi.ts";
import { type Proxied, proxy } from "./proxy.ts";

/** Mounts every service's contract under /v1, and the API's description. */
export function mountServices(face: Face, { config, peers, idempotency }: Deps<Mounted>): void {
  for (const [name, contract] of Object.entries(mounted)) {
    const peer = (peers as unknown as Record<string, Peer<Contract>>)[name];
    if (!peer) continue;
    const target = { name, peer, timeoutMs: config.gateway.proxy_timeout_ms };
    const once = oneOperation(contract, idempotency);
    face.verbs(contract, forward(contract, target, once), "/v1");
    mountStreams(face, contract, target, once);
  }
  face.raw(durable, kept(peers, config.gateway.proxy_timeout_ms), "/v1", { unheld: true });
  // Created at the first request: it would be a sixth of the gateway's start.
  let made: ReturnType<typeof describeApi> | undefined;
  const description = () => {
    made ??= describeApi();
    return made;
  };
  face.route("GET", "/v1/openapi.json", () =>
    bufferedResponse(description().json, { headers: { "content-type": "application/json" } }),
  );
  face.route("GET", "/docs", () => bufferedResponse(description().page, { headers: docsHeaders }));
  mountConsole(face);
}

function describeApi(): { page: Uint8Array; json: Uint8Array } {
  const document = openApi([
    gateway,
    { contract: durable, prefix: "/v1" },
    ...Object.values(mounted).map((contract) => ({ contract, prefix: "/v1" })),
  ]);
  const encoder = new TextEncoder();
  return {
    page: encoder.encode(docsPage(document)),
    json: encoder.encode(JSON.stringify(document, null, 2)),
  };
}

/** Binds a request's Idempotency-Key to its endpoint: reuse at another one, of any service, is a 409. */
type Once = (endpoint: string, context: Pick<RawContext, "idempotencyKey">) => Promise<void>;

/** The answer itself is kept by the service, with the complete request. */
function oneOperation({ name, endpoints }: Contract, idempotency: Idempotency): Once {
  return async (endpoint, { idempotencyKey }) => {
    const found = endpoints[endpoint];
    if (idempotencyKey === undefined || !found || !mutates(found)) return;
    await idempotency.bind(idempotencyKey, `${name}.${endpoint}`);
  };
}

/** Calls have the deadline of calls between services; long ones that of streams. */
function forward({ endpoints }: Contract, { peer, timeoutMs }: Proxied, once: Once): Invoke {
  const verbs = peer.verbs as Record<string, (input: unknown, options: CallOptions) => Promise<unknown>>;
  const isLong = (verb: string) => {
    const endpoint = endpoints[verb];
    return endpoint?.kind === "verb" && endpoint.long === true;
  };
  const long = new Set(Object.keys(endpoints).filter(isLong));
  return async (verb, input, context) => {
    if (context.idempotencyKey !== undefined) await once(verb, context);
    return verbs[verb]?.(input, long.has(verb) ? { ...context, timeoutMs } : context);
  };
}

/** Passed on as they come: the service itself says what is wrong with a request, and would look at it again. */
function mountStreams(face: Face, contract: Contract, target: Proxied, once: Once): void {
  for (const [name, endpoint] of Object.entries(contract.endpoints)) {
    if (endpoint.kind !== "raw") continue;
    const handler: Handler = async (_, context) => {
      await once(name, context);
      return pass(target, context, prefixOf(endpoint, "/v1"));
    };
    for (const { path } of placesOf(endpoint))
      for (const method of endpoint.methods)
        face.route(method, prefixOf(endpoint, "/v1") + path, handler, endpoint);
  }
}

/** What each service keeps, by its name in the path. */
function kept(peers: Deps<Mounted>["peers"], timeoutMs: number): Record<string, RawHandler> {
  const handler = ({ service: name }: { service: string }, context: RawContext) => {
    const peer = Object.hasOwn(peers, name) ? peers[name as keyof Mounted] : undefined;
    if (!peer)
      throw fail("not_found", `there is no service '${name}'; expected ${Object.keys(peers).join(", ")}`);
    return pass({ name, peer: peer as unknown as Peer<Contract>, timeoutMs }, context);
  };
  return Object.fromEntries(Object.keys(durable.endpoints).map((name) => [name, handler]));
}

function pass(target: Proxied, context: RawContext, prefix = "/v1"): Promise<Response> {
  const { url } = context.request;
  const at = url.indexOf("?");
  return proxy(target, pathOf(url).slice(prefix.length) + (at < 0 ? "" : url.slice(at)), context);
}
