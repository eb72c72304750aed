/** The endpoints as methods, one object a service. Their types are the contracts' own. */
import type { Static, TSchema } from "@sinclair/typebox";
import {
  type Contract,
  type InputOf,
  isSafe,
  type Raw,
  type ReplyOf,
  type Verb,
} from "../../../runtime/contract/contract.ts";
import { LakehouseError } from "./failure.ts";
import { bodyOf, requestPath } from "./request.ts";
import type { RequestOptions, Send } from "./sending.ts";

/** An endpoint whose input may be left out where nothing in it must be given. */
type Method<Input, Options, Reply> =
  Record<never, never> extends Input
    ? (input?: Input, options?: Options) => Promise<Reply>
    : (input: Input, options?: Options) => Promise<Reply>;

type JsonOf<E> = E extends { consumes: { "application/json": infer S extends TSchema } } ? Static<S> : never;

/** What a streaming endpoint is asked with. */
export interface StreamOptions<Json = unknown> extends RequestOptions {
  /** Which of the endpoint's methods; its first unless given. */
  method?: string;
  /** The body as JSON. */
  json?: Json;
  /** Or as it is: text, bytes, a file, a form, a stream. */
  body?: BodyInit;
  /** The media type of the answer. */
  accept?: string;
}

/** A service's endpoints: those that answer with JSON as values, streams as the unread `Response`. */
export type ServiceClient<C extends Contract> = {
  [N in keyof C["endpoints"] as C["endpoints"][N]["kind"] extends "internal"
    ? never
    : N]: C["endpoints"][N] extends Verb
    ? Method<InputOf<C["endpoints"][N]>, RequestOptions, ReplyOf<C["endpoints"][N]>>
    : Method<InputOf<C["endpoints"][N]>, StreamOptions<JsonOf<C["endpoints"][N]>>, Response>;
};

type Input = Readonly<Record<string, unknown>>;

/** The methods of a service, made from its contract. */
export function serviceClient<C extends Contract>(
  { endpoints }: C,
  prefix: string,
  send: Send,
): ServiceClient<C> {
  const methods = Object.entries(endpoints).flatMap(([name, endpoint]) => {
    if (endpoint.kind === "internal") return [];
    const method = endpoint.kind === "verb" ? verb(endpoint, prefix, send) : stream(endpoint, prefix, send);
    return [[name, method] as const];
  });
  return Object.fromEntries(methods) as ServiceClient<C>;
}

const verb =
  (endpoint: Verb, prefix: string, send: Send) =>
  async (input: Input = {}, options: RequestOptions = {}): Promise<unknown> => {
    const path = requestPath(endpoint, input, prefix);
    const { method } = endpoint;
    const response = await send(
      { method, path, body: bodyOf(endpoint, input), isSafe: isSafe(endpoint) },
      options,
    );
    return jsonOf(response, options.signal);
  };

const stream =
  (endpoint: Raw, prefix: string, send: Send) =>
  (input: Input = {}, options: StreamOptions = {}): Promise<Response> => {
    const { json, accept, method = endpoint.methods[0] ?? "GET" } = options;
    const headers = { ...(accept !== undefined && { accept }), ...options.headers };
    const body = json === undefined ? options.body : JSON.stringify(json);
    const path = requestPath(endpoint, input, prefix);
    const safe = isSafe(endpoint) || method === "GET" || method === "HEAD";
    return send({ method, path, body, isSafe: safe }, { ...options, headers });
  };

/** The answer as a value. Throws LakehouseError where it is no JSON or breaks off. */
export async function jsonOf(response: Response, signal?: AbortSignal): Promise<unknown> {
  try {
    return await response.json();
  } catch (cause) {
    signal?.throwIfAborted();
    const what =
      cause instanceof SyntaxError ? "is no JSON: is it the gateway's address?" : "broke off in its middle";
    throw new LakehouseError("bad_gateway", `the answer of ${response.url} ${what}`, { cause });
  }
}
