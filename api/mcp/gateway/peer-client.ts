/** The product as MCP reaches it inside the gateway: its services by their contracts, without a connection between. */
import {
  type CallOptions,
  type Contract,
  type Endpoint,
  isMatch,
  type Peer,
  pathOf,
} from "../../../runtime/contract/contract.ts";
import { fail, ServiceError } from "../../../runtime/errors/errors.ts";
import { type GatewayClient, textOf } from "./client.ts";
import { GatewayFailure, refused } from "./failure.ts";

interface PeerClientOptions {
  contracts: Readonly<Record<string, Contract>>;
  peers: Readonly<Record<string, Peer<Contract>>>;
  /** The deadline of calls that may take long, in milliseconds; others have that of calls between services. */
  longMs: number;
  newId: () => string;
}

type Verbs = Record<string, (input: unknown, options: CallOptions) => Promise<unknown>>;

/** What answers stand for in messages: there is no address. */
const here = "the product";

export function createPeerClient({ contracts, peers, longMs, newId }: PeerClientOptions): GatewayClient {
  const places = new Map<Endpoint, { peer: Peer<Contract>; verb: string }>();
  for (const [name, { endpoints }] of Object.entries(contracts)) {
    const peer = peers[name];
    if (peer) for (const [verb, endpoint] of Object.entries(endpoints)) places.set(endpoint, { peer, verb });
  }
  const peerAt = (path: string): Peer<Contract> => {
    const parts = pathOf(`http://localhost${path}`).split("/");
    for (const [endpoint, { peer }] of places)
      if (endpoint.kind === "raw" && isMatch(endpoint.path, parts)) return peer;
    throw new Error(`no contract has a stream at ${path}`);
  };
  const send = async (
    path: string,
    { type, body }: { type?: string; body?: BodyInit },
    signal: AbortSignal,
  ): Promise<Response> => {
    const requestId = newId();
    const headers = { ...(type !== undefined && { "content-type": type }), "x-request-id": requestId };
    const sent = body === undefined ? { method: "GET" } : { method: "POST", body };
    let response: Response;
    try {
      response = await peerAt(path).fetch(path, { ...sent, headers, signal });
    } catch (cause) {
      if (signal.aborted) throw signal.reason;
      throw asFailure(cause, requestId);
    }
    if (response.ok) return response;
    throw refused(here, response.status, await textOf(response, signal, here));
  };
  return {
    url: here,
    call: async (endpoint, input, { signal }) => {
      const place = places.get(endpoint);
      if (!place) throw new Error(`no contract has ${endpoint.path}`);
      const requestId = newId();
      const verbs = place.peer.verbs as Verbs;
      try {
        const options = { requestId, signal, ...(endpoint.long && { timeoutMs: longMs }) };
        return (await verbs[place.verb]?.(input, options)) as never;
      } catch (cause) {
        if (signal.aborted) throw signal.reason;
        throw asFailure(cause, requestId);
      }
    },
    post: (path, body, { signal }) =>
      send(path, { type: "application/json", body: JSON.stringify(body) }, signal),
    get: (path, { signal }) => send(path, {}, signal),
    upload: (path, { type, bytes }, { signal }) => send(path, { type, body: bytes }, signal),
  };
}

/** The same failure as over HTTP. What nobody expected stays as it is, and is logged. */
function asFailure(cause: unknown, requestId: string): unknown {
  const error = cause instanceof ServiceError ? cause : fail("internal", "unexpected failure", { cause });
  const { type, message, status, details, retryAfterSeconds } = error;
  return new GatewayFailure({
    ...{ type, message, status, requestId, cause },
    ...(details !== undefined && { details }),
    ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
  });
}
