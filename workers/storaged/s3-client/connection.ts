/** Signed requests to one bucket of an S3 server, with a limit on its silence, and tried again when that is safe. */

import { createHmac } from "node:crypto";
import { fail } from "../../../runtime/errors/errors.ts";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import type { S3Keys } from "../../../runtime/secrets/secrets.ts";
import type { Log } from "../../../runtime/telemetry/telemetry.ts";
import { fetchAsSent, textOf } from "../../../runtime/upstream/upstream.ts";
import { withTimeout } from "../bucket/bucket.ts";
import { refusal, type S3Address, silent, unreachable } from "./errors.ts";

export interface S3Server {
  bucket: string;
  region: string;
  /** `http://host:port` or `https://host`, without a path. */
  endpoint: string;
  pathStyle: boolean;
  keys: S3Keys;
  /** Longest silence, in milliseconds. */
  timeoutMs: number;
  retries: number;
}

interface S3Request {
  method: "GET" | "HEAD" | "PUT" | "POST" | "DELETE";
  /** Absent: the bucket itself. */
  key?: string;
  query?: Record<string, string>;
  headers?: Record<string, string>;
  /** In memory, so that it can be sent again. */
  body?: Uint8Array<ArrayBuffer>;
  /** Of the body, in hex, where it is known already. */
  bodySha256?: string;
  /** With it, the body of a 200 or 206 is left to be streamed. */
  streamed?: boolean;
  signal: AbortSignal;
}

export interface S3Answer {
  status: number;
  headers: Headers;
  /** How many times the request was sent. Above 1, an earlier attempt may have taken effect. */
  sent: number;
  /** The whole body; empty when it is streamed. */
  text: string;
  /** The body as it comes; errors when it is cut off or the server falls silent. */
  body: ReadableStream<Uint8Array>;
}

export interface S3Connection {
  address: S3Address;
  /** Sends, and sends again after a 500, 503 or dropped connection. Any other answer is returned. */
  send: (request: S3Request) => Promise<S3Answer>;
  /** As `send`, but throws unless the answer has one of these statuses. */
  expect: (request: S3Request, ...statuses: number[]) => Promise<S3Answer>;
}

const firstPauseMs = 50;
/** 409: Amazon's "conditional request conflict", to be tried again. */
const triedAgain = new Set([409, 429, 500, 502, 503, 504]);
/** An etag as storaged names it: without the quotes that HTTP puts around it. */
export const bareEtag = (etag: string | null | undefined): string => (etag ?? "").replaceAll('"', "");

/** Slowest upload, in bytes per millisecond: the time limit grows with the body. */
const bytesPerMs = 64;

interface ConnectionDeps {
  name: string;
  server: S3Server;
  clock: Clock;
  log: Log;
}

export function createS3Connection({ name, server, clock, log }: ConnectionDeps): S3Connection {
  const address: S3Address = { name, bucket: server.bucket, endpoint: server.endpoint };

  const once = async (request: S3Request, sent: number): Promise<S3Answer> => {
    const { method, body, signal } = request;
    const url = urlOf(server, request);
    const { headers: given = {}, bodySha256 } = request;
    const unsigned = { method, url, headers: given, body: body ?? new Uint8Array(), bodySha256 };
    const headers = sign(unsigned, { keys: server.keys, region: server.region, at: clock.now() });
    const stop = new AbortController();
    const end = () => stop.abort(signal.reason);
    if (signal.aborted) throw abandoned(signal);
    signal.addEventListener("abort", end, { once: true });
    const timeoutMs = server.timeoutMs + Math.ceil((body?.length ?? 0) / bytesPerMs);
    try {
      const work = fetchAsSent(url, {
        method,
        headers: { ...headers, "accept-encoding": "identity" },
        ...(body && { body }),
        signal: stop.signal,
      });
      const response = await withTimeout(work, {
        ms: timeoutMs,
        late: () => silent(address, timeoutMs),
        clock,
      });
      const answered = bodyOf(address, response, { timeoutMs: server.timeoutMs, stop, signal, clock });
      const { status } = response;
      const streamed = request.streamed === true && (status === 200 || status === 206);
      const text = streamed || method === "HEAD" ? "" : await textIn(address, answered);
      return { status, headers: response.headers, sent, text, body: answered };
    } catch (cause) {
      stop.abort();
      throw signal.aborted ? abandoned(signal) : unreachable(address, cause);
    } finally {
      signal.removeEventListener("abort", end);
    }
  };

  const send = async (request: S3Request): Promise<S3Answer> => {
    for (let sent = 1; ; sent++) {
      const outcome = await once(request, sent).catch((error: unknown) => ({ error }));
      const again = "error" in outcome ? isDropped(outcome.error) : triedAgain.has(outcome.status);
      if (!again || sent > server.retries) {
        if ("error" in outcome) throw outcome.error;
        return outcome;
      }
      const reason = "error" in outcome ? "connection failed" : String(outcome.status);
      log.warn("trying an S3 request again", { bucket: name, method: request.method, reason, sent });
      await clock.sleep(firstPauseMs * 2 ** (sent - 1), request.signal).catch(() => {
        throw abandoned(request.signal);
      });
    }
  };

  return {
    address,
    send,
    expect: async (request, ...statuses) => {
      const answer = await send(request);
      if (statuses.includes(answer.status)) return answer;
      throw refusal(address, answer);
    },
  };
}

const isDropped = (error: unknown): boolean => (error as { type?: unknown }).type === "bad_gateway";
const abandoned = (signal: AbortSignal) =>
  fail("client_closed", "the client went away", { cause: signal.reason });

function urlOf({ endpoint, bucket, pathStyle }: S3Server, { key, query }: S3Request): URL {
  const url = new URL(endpoint);
  if (!pathStyle) url.host = `${bucket}.${url.host}`;
  const path = key === undefined ? "" : `/${encodePath(key)}`;
  url.pathname = pathStyle ? `/${bucket}${path}` : path || "/";
  url.search = query ? encodeQuery(query) : "";
  return url;
}

interface BodyOptions {
  timeoutMs: number;
  clock: Pick<Clock, "after">;
  stop: AbortController;
  signal: AbortSignal;
}

/** Answers that are read whole: a page of 1000 keys, each 1 KiB and written as XML, is the longest. */
const wholeBytesMax = 16 * 1024 * 1024;

const textIn = ({ name, endpoint }: S3Address, body: ReadableStream<Uint8Array>): Promise<string> =>
  textOf(new Response(body), {
    bytesMax: wholeBytesMax,
    tooMuch: () =>
      fail("bad_gateway", `bucket '${name}': ${endpoint} answered more than ${wholeBytesMax} bytes`),
  });

/** The answer's body; one shorter than its Content-Length is an error even when it ended cleanly. */
function bodyOf(address: S3Address, response: Response, { timeoutMs, stop, signal, clock }: BodyOptions) {
  const reader = response.body?.getReader();
  const length = response.headers.get("content-length");
  const expected = length === null ? undefined : Number(length);
  let bytes = 0;
  const end = () => stop.abort(signal.reason);
  signal.addEventListener("abort", end, { once: true });
  const settle = () => signal.removeEventListener("abort", end);
  return new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        try {
          const { done, value } = reader
            ? await withTimeout(reader.read(), {
                ms: timeoutMs,
                late: () => silent(address, timeoutMs),
                clock,
              })
            : { done: true, value: undefined };
          if (value) {
            bytes += value.length;
            return controller.enqueue(value);
          }
          if (done && expected !== undefined && bytes !== expected) throw cutOff(address, bytes, expected);
          settle();
          controller.close();
        } catch (cause) {
          settle();
          stop.abort();
          controller.error(signal.aborted ? abandoned(signal) : unreachable(address, cause));
        }
      },
      cancel: () => {
        settle();
        stop.abort();
      },
    },
    { highWaterMark: 0 },
  );
}

const cutOff = ({ name, endpoint }: S3Address, bytes: number, expected: number) =>
  fail("bad_gateway", `bucket '${name}': ${endpoint} cut the body off after ${bytes} of ${expected} bytes`, {
    details: { bucket: name },
  });

// AWS Signature Version 4 for S3: signs one request's headers. After Amazon's "Authenticating Requests" page.

interface Unsigned {
  method: string;
  /** Path and query already encoded by `encodePath` and `encodeQuery`. */
  url: URL;
  /** All of them are signed; names in lower case. */
  headers: Record<string, string>;
  body: Uint8Array;
  /** Of the body, in hex, where it is known already. */
  bodySha256?: string | undefined;
}

interface Signer {
  keys: S3Keys;
  region: string;
  /** Milliseconds since the epoch. */
  at: number;
}

const hmac = (key: string | Buffer, text: string): Buffer => createHmac("sha256", key).update(text).digest();
const sha256 = (data: string | Uint8Array): string => Bun.SHA256.hash(data, "hex");

/** Percent-encodes as RFC 3986 says: everything but letters, digits, `-`, `.`, `_` and `~`. */
const encode = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);

/** A key as the path of a URL. */
export const encodePath = (key: string): string => key.split("/").map(encode).join("/");

/** A query in the order the signature wants. */
export const encodeQuery = (query: Record<string, string>): string =>
  Object.keys(query)
    .sort()
    .map((name) => `${encode(name)}=${encode(query[name] ?? "")}`)
    .join("&");

/** The headers to send, with the signature among them. The body's hash is signed too: a changed byte is refused. */
export function sign(
  { method, url, headers, body, bodySha256 }: Unsigned,
  { keys, region, at }: Signer,
): Record<string, string> {
  const stamp = new Date(at).toISOString().replace(/[-:]|\.\d+/g, "");
  const scope = `${stamp.slice(0, 8)}/${region}/s3/aws4_request`;
  const hash = bodySha256 ?? sha256(body);
  const all: Record<string, string> = {
    ...headers,
    host: url.host,
    "x-amz-content-sha256": hash,
    "x-amz-date": stamp,
  };
  if (keys.sessionToken !== undefined) all["x-amz-security-token"] = keys.sessionToken;

  const names = Object.keys(all).sort();
  const lines = names.map((name) => `${name}:${(all[name] ?? "").trim().replace(/ +/g, " ")}\n`).join("");
  const signed = names.join(";");
  const canonical = [method, url.pathname, url.search.slice(1), lines, signed, hash].join("\n");
  const toSign = ["AWS4-HMAC-SHA256", stamp, scope, sha256(canonical)].join("\n");

  const dayKey = hmac(`AWS4${keys.secretAccessKey}`, stamp.slice(0, 8));
  const signature = hmac(hmac(hmac(hmac(dayKey, region), "s3"), "aws4_request"), toSign).toString("hex");
  const { host: _, ...sent } = all;
  const credential = `AWS4-HMAC-SHA256 Credential=${keys.accessKeyId}/${scope}`;
  return { ...sent, authorization: `${credential}, SignedHeaders=${signed}, Signature=${signature}` };
}
