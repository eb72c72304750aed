/** The HTTP client of the gateway, the only connection of this server to the product. */
import {
  check,
  type Endpoint,
  type InputOf,
  type ReplyOf,
  type Verb,
} from "../../../runtime/contract/contract.ts";
import { fetchUpstream } from "../../../runtime/upstream/upstream.ts";
import { bodyOf, requestPath } from "../../client/lakehouse/lakehouse.ts";
import { GatewayFailure, refused, unanswered } from "./failure.ts";

interface CallOptions {
  /** Aborting it ends the request, and with it the work behind the gateway. */
  signal: AbortSignal;
}

export interface GatewayClient {
  /** As http://127.0.0.1:3110. */
  readonly url: string;
  /** Calls an endpoint of a contract; the answer is checked against it. Throws GatewayFailure. */
  call: <E extends Verb>(endpoint: E, input: InputOf<E>, options: CallOptions) => Promise<ReplyOf<E>>;
  /** Posts JSON to a streaming endpoint; answers when its head is good, the body unread. */
  post: (path: string, body: unknown, options: CallOptions) => Promise<Response>;
  /** Asks a streaming endpoint in the same way. */
  get: (path: string, options: CallOptions) => Promise<Response>;
  /** Posts a file or a form in the same way. */
  upload: (path: string, upload: Upload, options: CallOptions) => Promise<Response>;
}

export interface Upload {
  /** Its Content-Type. */
  type: string;
  bytes: Uint8Array<ArrayBuffer>;
}

interface GatewayOptions {
  url: string;
  /** Asked before each request, so that a token file may change under a running server. */
  token: () => string | undefined;
}

/** The largest JSON answer that is read: a manifest of many objects is some MB. */
const answerBytesMax = 64 * 1024 * 1024;

export function createGatewayClient({ url, token }: GatewayOptions): GatewayClient {
  // An HTTP_PROXY of the environment is for other hosts, and would receive the token.
  const proxy = isLoopback(url) ? { proxy: false as const } : {};
  const send = async (path: string, init: RequestInit, { signal }: CallOptions): Promise<Response> => {
    const headers = new Headers(init.headers);
    const bearer = bearerOf(token);
    if (bearer !== undefined) headers.set("authorization", `Bearer ${bearer}`);
    let response: Response;
    try {
      // Redirects are not followed: the token is for this gateway alone. Bun's own timeout is off: `signal` is the deadline.
      const all: BunFetchRequestInit = {
        ...init,
        headers,
        signal,
        timeout: false,
        ...proxy,
      };
      // The gateway's own endpoints name their whole path.
      response = await fetchUpstream(url + (path.startsWith("/v1/") ? "" : "/v1") + path, all);
    } catch (cause) {
      if (signal.aborted) throw signal.reason;
      throw unanswered(url, init.method ?? "GET", cause);
    }
    if (response.ok) return response;
    throw refused(url, response.status, await textOf(response, signal, url));
  };
  return {
    url,
    call: async (endpoint, input, options) => {
      const given = input as Record<string, unknown>;
      const { method } = endpoint;
      const body = bodyOf(endpoint, given);
      const init = body === undefined ? { method } : { method, headers: json, body };
      const response = await send(requestPath(endpoint, given, ""), init, options);
      const value = parsed(await textOf(response, options.signal, url), url);
      return checked(endpoint, value) as ReplyOf<typeof endpoint>;
    },
    post: (path, body, options) =>
      send(path, { method: "POST", headers: json, body: JSON.stringify(body) }, options),
    get: (path, options) => send(path, { headers: { accept: "application/json" } }, options),
    upload: (path, { type, bytes }, options) =>
      send(path, { method: "POST", headers: { "content-type": type }, body: bytes }, options),
  };
}

/** Whether the address is this machine's. */
export const isLoopback = (url: string): boolean =>
  /^(localhost|127(\.\d+){3}|\[::1\])$/.test(new URL(url).hostname);

/** The token, read again for each request; a token file that is gone is reported as such. */
function bearerOf(token: GatewayOptions["token"]): string | undefined {
  try {
    return token();
  } catch (cause) {
    throw new GatewayFailure({ type: "unauthorized", message: (cause as Error).message, cause });
  }
}

const json = { "content-type": "application/json", accept: "application/json" };

function checked(endpoint: Endpoint & { reply: Verb["reply"] }, value: unknown): unknown {
  try {
    return check(endpoint.reply, value, "the answer");
  } catch (cause) {
    throw new GatewayFailure({
      type: "bad_gateway",
      message: `the gateway's answer has another form than expected (${(cause as Error).message}): is it of the same version as this server?`,
    });
  }
}

function parsed(text: string, url: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new GatewayFailure({
      type: "bad_gateway",
      message: `${url} does not answer in JSON: is it the gateway?`,
    });
  }
}

/** The answer as text. A body that breaks off, or that is larger than the bound, is a failure, never a part. */
export async function textOf(response: Response, signal: AbortSignal, url: string): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for await (const chunk of chunksOf(response, signal, url)) {
    bytes += chunk.length;
    if (bytes > answerBytesMax) {
      throw new GatewayFailure({
        type: "too_large",
        message: `the gateway's answer is larger than ${answerBytesMax} bytes`,
      });
    }
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

/** The body's chunks; leaving the loop early ends the request. */
export async function* chunksOf(
  response: Response,
  signal: AbortSignal,
  url: string,
): AsyncGenerator<Uint8Array> {
  if (!response.body) return;
  try {
    for await (const chunk of response.body) yield chunk;
  } catch (cause) {
    if (signal.aborted) throw signal.reason;
    throw new GatewayFailure({
      type: "unavailable",
      message: `the answer of ${url} broke off in its middle: nothing of it was used`,
      cause,
    });
  }
}
