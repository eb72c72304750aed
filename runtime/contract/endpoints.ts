/**
 * A service is one contract, served through many doors. The contract is data: from it come the TypeScript
 * types, the validation, the HTTP routes, the MessageChannel protocol and the OpenAPI document.
 */
import { type Static, type TObject, type TProperties, type TSchema, Type } from "@sinclair/typebox";
import type { Durable } from "../durable/durable.ts";
import type { Operation, Resumable } from "../idempotency/idempotency.ts";
import type { Erasing, ErasureReport } from "./erasing.ts";

export { Type as t };

export type HttpMethod = "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";

/** Facts about one call that are not part of its input. A caller may give any of them. */
export interface CallOptions {
  requestId?: string;
  idempotencyKey?: string;
  /** Aborting it stops the work on the other side too. */
  signal?: AbortSignal;
  /** Deadline in milliseconds; the transport's default when absent. */
  timeoutMs?: number;
  /** Buffers inside the input that are handed over instead of copied; the caller may not use them again. */
  transfer?: ArrayBuffer[];
}

/** What an implementation gets beside the input. */
export interface CallContext {
  requestId: string;
  idempotencyKey?: string;
  /** What a verb does for the key; streams get theirs from `Idempotency.once`. */
  operation?: Operation;
  /** Aborted when the caller went away or its deadline passed. */
  signal: AbortSignal;
}

/** What a raw (streaming) implementation gets: the request itself, its body not yet read. */
export interface RawContext extends CallContext {
  request: import("./route.ts").HttpRequest;
}

/**
 * The form of errors where it is not ours: OpenAI's `code` is text, Iceberg's `type` an exception's name; people read a
 * page. Of JSON-RPC what is about its messages is in its own form, and all else in ours.
 */
export type ErrorForm = "openai" | "iceberg" | "json-rpc" | "page";

interface Shapes {
  /** HTTP statuses of its errors beside those that any endpoint of its kind may answer with. */
  refusals?: readonly number[];
  /** Headers that it reads, each in a sentence. */
  headers?: Readonly<Record<string, string>>;
  /** `:name` parts of the path. A trailing `*` is given as the parameter `key`. */
  params?: TObject;
  query?: TObject;
  /**
   * The last name of the path may be given in the query instead, at the path without it: a URL cannot hold `..`, and
   * some clients do not encode what they put into a path.
   */
  inQuery?: true;
  /** One sentence for the API page. */
  summary: string;
  /** Ours by default. */
  errors?: ErrorForm;
  /** An Idempotency-Key stands for nothing: done twice it leaves the same behind, and a key would keep a hash of what was asked. */
  keyless?: true;
  /** With an Idempotency-Key it may be run again after a kill; without this mark the outcome is unknown then. */
  resumable?: Resumable;
}

export interface Verb extends Shapes {
  kind: "verb";
  method: HttpMethod;
  path: string;
  body?: TObject;
  reply: TSchema;
  /** HTTP status of success, 200 by default. */
  status?: number;
  /** Changes nothing, though it is no GET: an Idempotency-Key has nothing to remember. */
  reads?: true;
  /** May take much longer than other calls: the gateway waits for its answer as long as for a stream's first byte. */
  long?: true;
  /** Where set, HTTP answers carry this strong etag, and `If-None-Match` is answered with 304. */
  etag?: (reply: never) => string;
}

/** A call between services that has no public path. */
interface Internal {
  kind: "internal";
  /** Safe to repeat: it only reads, or what a second call leaves behind has no effect. */
  reads?: true;
  body: TObject;
  reply: TSchema;
  summary: string;
}

/** A stream in or out: exists only as HTTP, and the gateway proxies it without buffering. */
export interface Raw extends Shapes {
  kind: "raw";
  methods: HttpMethod[];
  path: string;
  /** The request's body by its media type. */
  consumes?: Readonly<Record<string, TSchema>>;
  /** The answer's body by its media type; what has none, as 204, is among the statuses alone. */
  produces?: Readonly<Record<string, TSchema>>;
  /** Every HTTP status that is no error; [200] by default. */
  statuses?: readonly number[];
  /** Headers of the answer that say something of their own, each in a sentence. */
  answerHeaders?: Readonly<Record<string, string>>;
  /** Changes nothing, though it is no GET. */
  reads?: true;
  /** Another protocol's root: the gateway serves it at this very path, not under /v1, and takes any query. */
  foreign?: true;
  /** Its query may hold other names than those of the contract: what they mean, what it answers with knows. */
  anyQuery?: true;
  /** Asks for no token: it says how to get one. */
  open?: true;
  /** Where the resource's OAuth metadata is (RFC 9728): a caller without a token is told so. */
  metadataPath?: string;
  /** JSON, NDJSON and CSV go out in the Content-Encoding that the caller asks for. */
  compressed?: true;
}

export type Endpoint = Verb | Internal | Raw;
type Endpoints = Record<string, Endpoint>;

export interface Contract<E extends Endpoints = Endpoints> {
  name: string;
  endpoints: E;
}

type Part<E, K extends string> = E extends { [P in K]: infer S extends TSchema } ? Static<S> : unknown;
/** The one input object of an endpoint: path parameters, query and body fields together. */
export type InputOf<E> = Part<E, "params"> & Part<E, "query"> & Part<E, "body">;
export type ReplyOf<E> = E extends { reply: infer R extends TSchema } ? Static<R> : never;

type Keys<E extends Endpoints, K extends Endpoint["kind"]> = {
  [N in keyof E]: E[N]["kind"] extends K ? N : never;
}[keyof E];
type VerbKeys<E extends Endpoints> = Keys<E, "verb" | "internal">;

/** The typed face a caller holds. */
export type ClientOf<C extends Contract> = {
  [N in VerbKeys<C["endpoints"]>]: (
    input: InputOf<C["endpoints"][N]>,
    options?: CallOptions,
  ) => Promise<ReplyOf<C["endpoints"][N]>>;
};

/** What a service implements: its verbs. */
export type VerbsOf<C extends Contract> = {
  [N in VerbKeys<C["endpoints"]>]: (
    input: InputOf<C["endpoints"][N]>,
    context: CallContext,
  ) => Promise<ReplyOf<C["endpoints"][N]>>;
};

/** What a service implements: its streams. */
export type RawOf<C extends Contract> = {
  [N in Keys<C["endpoints"], "raw">]: (
    input: InputOf<C["endpoints"][N]>,
    context: RawContext,
  ) => Promise<Response>;
};

/** A peer as its caller sees it: verbs over whatever transport there is, and HTTP for streams. */
export interface Peer<C extends Contract> {
  verbs: ClientOf<C>;
  /** Fetches a raw endpoint: `path` as in the contract, with query. Auth is added; the body is streamed and handed over. */
  fetch: (path: string, init?: RequestInit) => Promise<Response>;
}

/** A service that runs: what `create` in every `service.ts` returns. */
export interface Running<C extends Contract> {
  verbs: VerbsOf<C>;
  raw: RawOf<C>;
  /** Reasons for not being ready; empty when ready. Cheap: it is asked often. */
  notReady?: () => string[];
  /** The same of the services that it speaks for; bounded in time. */
  othersNotReady?: () => Promise<string[]>;
  /** Ends what only waits, such as long polls and event streams. Resolves when who is served without HTTP has its answer. */
  drain?: () => void | Promise<void>;
  /** Ends streams that go on when the time to drain is over, where their format has an end for that. */
  giveUp?: () => void;
  /** What it keeps on stable storage, for `fsck` and `backup`; absent where it keeps nothing of its own. */
  durable?: Durable;
  /**
   * Forgets everything that names a subject, so that no byte of it is kept; answers to Idempotency-Keys aside, which the
   * runtime forgets. Asked again it goes on with what a kill cut off.
   */
  erase?: (erasing: Erasing) => Promise<ErasureReport>;
  /** Finishes what is under way, interrupts what is long, closes native handles. Afterwards the thread may end. */
  stop: () => Promise<void>;
}

/**
 * Defines a service. Throws when one endpoint names a field twice (path, query and body share one input
 * object) or when two endpoints share a route: both are mistakes of the author.
 */
export function contract<const E extends Endpoints>(name: string, endpoints: E): Contract<E> {
  const routes = new Set<string>();
  for (const [verb, endpoint] of Object.entries(endpoints)) {
    const fields = inputSchemas(endpoint).flatMap((schema) => Object.keys(schema.properties));
    const twice = fields.find((field, at) => fields.indexOf(field) !== at);
    if (twice) throw new Error(`contract ${name}.${verb}: field '${twice}' is defined twice`);
    for (const route of routesOf(endpoint)) {
      if (routes.has(route)) throw new Error(`contract ${name}.${verb}: route '${route}' is taken`);
      routes.add(route);
    }
  }
  return { name, endpoints };
}

/** Whether an Idempotency-Key stands for a call: where it may change something. */
export const mutates = (endpoint: Endpoint): boolean => {
  if (endpoint.kind === "internal" || endpoint.reads || endpoint.keyless) return false;
  return methodsOf(endpoint).some((method) => method !== "GET" && method !== "HEAD");
};

/** Whether a caller without an answer may ask again: it changes nothing, or nothing more than once. */
export const isSafe = (endpoint: Endpoint): boolean =>
  endpoint.reads === true ||
  (endpoint.kind !== "internal" &&
    methodsOf(endpoint).every((method) => method === "GET" || method === "HEAD"));

/** The parts of an endpoint's input, each a closed object. */
export const inputSchemas = (endpoint: Endpoint): TObject[] => {
  const { params, query, body } = endpoint as { params?: TObject; query?: TObject; body?: TObject };
  return [params, query, body].filter((schema) => schema !== undefined);
};

const routesOf = (endpoint: Endpoint): string[] =>
  endpoint.kind === "internal"
    ? []
    : placesOf(endpoint).flatMap(({ path }) => methodsOf(endpoint).map((method) => `${method} ${path}`));

/** Where the gateway serves an endpoint: under this prefix, but for the roots of other protocols. */
export const prefixOf = (endpoint: Endpoint, prefix: string) => ("foreign" in endpoint ? "" : prefix);

export const methodsOf = (endpoint: Verb | Raw): readonly HttpMethod[] =>
  endpoint.kind === "raw" ? endpoint.methods : [endpoint.method];

/** Where an endpoint answers, and what of its input stands in the path and in the query there. */
export interface Place {
  path: string;
  params?: TObject | undefined;
  query?: TObject | undefined;
}

/** The endpoint's path; with `inQuery` also the one without its last name. */
export function placesOf({ path, params, query, inQuery }: Verb | Raw): Place[] {
  const own = { path, params, query };
  if (!inQuery || !params) return [own];
  const cut = path.lastIndexOf("/");
  const last = path
    .slice(cut + 1)
    .replace(/^\*$/, "key")
    .replace(/^:/, "");
  const { [last]: moved, ...left } = params.properties;
  if (!moved) throw new Error(`${path}: its last part is no name`);
  return [
    own,
    {
      path: path.slice(0, cut),
      params: closed(left),
      query: closed({ [last]: moved, ...query?.properties }),
    },
  ];
}

type VerbSpec = Omit<Verb, "kind" | "method" | "path">;
const verb =
  <const M extends HttpMethod>(method: M) =>
  <const P extends string, const S extends VerbSpec>(path: P, spec: S) =>
    ({ kind: "verb", method, path, ...spec }) as const;

export const get = verb("GET");
export const post = verb("POST");
export const put = verb("PUT");
export const patch = verb("PATCH");
export const del = verb("DELETE");

/** Defines a call between services without a public path. */
export const internal = <const S extends Omit<Internal, "kind">>(spec: S) =>
  ({ kind: "internal", ...spec }) as const;

/** Defines a streaming endpoint. */
export const raw = <
  const M extends HttpMethod[],
  const P extends string,
  const S extends Omit<Raw, "kind" | "methods" | "path">,
>(
  methods: M,
  path: P,
  spec: S,
) => ({ kind: "raw", methods, path, ...spec }) as const;

/** A closed object: fields that are not named here are refused. */
export const closed = <P extends TProperties>(properties: P) =>
  Type.Object(properties, { additionalProperties: false });
