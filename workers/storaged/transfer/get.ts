/** GET and HEAD: an object goes out whole, in part, or not at all when the reader has it already. */
import type { RawContext } from "../../../runtime/contract/contract.ts";
import { fail, ServiceError } from "../../../runtime/errors/errors.ts";
import {
  type Bucket,
  collect,
  type ObjectInfo,
  type OpenObject,
  parseRange,
  watched,
} from "../bucket/bucket.ts";
import type { Operation, Operations } from "../errors/errors.ts";
import { isConditional, rangeApplies, readVerdict } from "./preconditions.ts";

/** Bodies up to this size are read and verified before the answer begins: they get a Content-Length and a clean 500. */
const bufferedBytesMax = 1024 * 1024;

interface GetDeps {
  operations: Operations;
  operation: Operation;
}

/** Answers 200, 206, 304, 412 or 416, as RFC 9110 says. */
export async function getObject(
  deps: GetDeps,
  bucket: Bucket,
  key: string,
  { request, requestId, signal }: RawContext,
): Promise<Response> {
  const { headers, method } = request;
  let range = parseRange(headers.get("range"));
  if (method === "HEAD" || isConditional(headers)) {
    const info = await bucket.head(key, signal);
    const settled = settledBy(headers, key, info);
    if (settled) return settled;
    if (method === "HEAD") return answer(200, info, null, { "content-length": String(info.bytes) });
    if (!rangeApplies(headers, info.etag)) range = undefined;
  }
  const opened = await bucket.open(key, range, signal).catch(async (error: unknown) => {
    if (!(error instanceof ServiceError && error.type === "range_not_satisfiable")) throw error;
    await deps.operations.failed(deps.operation, error);
    return unsatisfiable(error, requestId);
  });
  if (opened instanceof Response) return opened;
  // The object may have been replaced since the head.
  if (readVerdict(headers, opened.info.etag) !== "send") await opened.body.cancel();
  return settledBy(headers, key, opened.info) ?? send(deps, opened);
}

/** The answer without a body, when the conditions ask for one. */
function settledBy(headers: Headers, key: string, info: ObjectInfo): Response | undefined {
  const verdict = readVerdict(headers, info.etag);
  if (verdict === "precondition_failed") {
    throw fail("precondition_failed", `If-Match does not hold for '${key}': its etag is "${info.etag}"`);
  }
  return verdict === "not_modified" ? answer(304, info, null) : undefined;
}

async function send(
  { operations, operation }: GetDeps,
  { info, span, sha256, body }: OpenObject,
): Promise<Response> {
  const status = span ? 206 : 200;
  const headers: Record<string, string> = {
    ...(span && { "content-range": `bytes ${span.first}-${span.last}/${info.bytes}` }),
    // RFC 9530. Of the whole object, whatever part of it is sent.
    ...(sha256 !== undefined && {
      "repr-digest": `sha-256=:${Buffer.from(sha256, "hex").toString("base64")}:`,
    }),
  };
  const length = span ? span.last - span.first + 1 : info.bytes;
  if (length <= bufferedBytesMax) {
    const bytes = await collect(body);
    operations.sent(bytes.length);
    return answer(status, info, bytes, headers);
  }
  const stream = watched(body, {
    bytes: operations.sent,
    error: (error) => void operations.failed(operation, error),
  });
  return answer(status, info, stream, headers);
}

/**
 * Objects are whatever somebody stored: the last two headers keep a browser from running one as a page of this
 * address.
 */
function answer(
  status: number,
  info: ObjectInfo,
  body: BodyInit | null,
  more: Record<string, string> = {},
): Response {
  const headers = {
    etag: `"${info.etag}"`,
    "last-modified": new Date(info.last_modified).toUTCString(),
    "accept-ranges": "bytes",
    "content-type": info.content_type ?? "application/octet-stream",
    "x-content-type-options": "nosniff",
    "content-security-policy": "sandbox",
    ...more,
  };
  return new Response(body, { status, headers });
}

/** The one error that must carry a header of its own: the object's size. */
function unsatisfiable(error: ServiceError, requestId: string): Response {
  const { type, message, status: code, details } = error;
  const { bytes } = details as { bytes: number };
  return Response.json(
    { error: { message, type, code, request_id: requestId, details } },
    { status: code, headers: { "content-range": `bytes */${bytes}`, "accept-ranges": "bytes" } },
  );
}
