/** PUT: the body of a request becomes an object, or nothing at all. */
import { bodyOf, jsonResponse, refuseLongBody } from "../../../runtime/bodies/bodies.ts";
import type { RawContext } from "../../../runtime/contract/contract.ts";
import { fail } from "../../../runtime/errors/errors.ts";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import type { Deps } from "../../../runtime/service/service.ts";
import { type Bucket, unlessStalled } from "../bucket/bucket.ts";
import type { Operations } from "../errors/errors.ts";
import { putOnce } from "./idempotent.ts";
import { writeConditions } from "./preconditions.ts";

type Limits = Pick<
  Deps["config"]["storaged"],
  "max_put_bytes" | "max_put_bytes_by_prefix" | "idle_timeout_ms"
>;

/** The limit of a key: that of its longest matching prefix, else the general one. */
export function putBytesMax(
  key: string,
  limits: Pick<Limits, "max_put_bytes" | "max_put_bytes_by_prefix">,
): number {
  const matching = Object.keys(limits.max_put_bytes_by_prefix).filter((prefix) => key.startsWith(prefix));
  const longest = matching.sort((a, b) => b.length - a.length)[0];
  return (longest !== undefined && limits.max_put_bytes_by_prefix[longest]) || limits.max_put_bytes;
}

interface PutDeps {
  clock: Pick<Clock, "after">;
  limits: Limits;
  idempotency: Deps["idempotency"];
  operations: Operations;
}

/** Stores the body. 201 with the object's description when it is new, 200 when one was replaced. */
export async function putObject(
  { clock, limits, idempotency, operations }: PutDeps,
  bucket: Bucket,
  key: string,
  { request, signal, idempotencyKey }: RawContext,
): Promise<Response> {
  const { headers } = request;
  const conditions = writeConditions(headers);
  if (headers.has("content-range")) {
    throw fail(
      "bad_request",
      "Content-Range: a PUT stores whole objects; send all of it without this header",
    );
  }
  const bytesMax = putBytesMax(key, limits);
  refuseLongBody(headers, bytesMax);
  const upload = await bucket.receive(key, metered(bodyOf(request), { clock, limits, operations }), {
    bytesMax,
    bytes: announced(headers),
    contentType: contentTypeOf(headers),
    signal,
  });
  const { info, created } = idempotencyKey
    ? await putOnce({ idempotency, idempotencyKey, bucket, key, signal }, upload, conditions)
    : await upload.commit(conditions);
  return jsonResponse(info, { etag: `"${info.etag}"` }, created ? 201 : 200);
}

/** Longest media type that is kept; it comes back with every answer. */
const contentTypeCharsMax = 255;

function contentTypeOf(headers: Headers): string | undefined {
  const given = headers.get("content-type");
  if (given === null || given.trim() === "") return undefined;
  if (given.length <= contentTypeCharsMax && /^[\x20-\x7e]+$/.test(given)) return given.trim();
  throw fail("bad_request", `Content-Type: expected at most ${contentTypeCharsMax} ASCII characters`);
}

const announced = (headers: Headers): number | undefined => {
  const length = headers.get("content-length");
  return length === null || headers.has("transfer-encoding") ? undefined : Number(length);
};

async function* metered(
  body: ReadableStream<Uint8Array> | null,
  { clock, limits, operations }: Omit<PutDeps, "idempotency">,
) {
  if (!body) return;
  for await (const chunk of unlessStalled(body, limits.idle_timeout_ms, clock)) {
    operations.received(chunk.length);
    yield chunk;
  }
}
