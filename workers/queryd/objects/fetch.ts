/** Brings the bytes of an object that is not on this machine into the cache, through storaged, which knows the keys. */
import { open, rename } from "node:fs/promises";
import { join } from "node:path";
import type { Peer } from "../../../runtime/contract/contract.ts";
import { discard } from "../../../runtime/durable/durable.ts";
import { fail, ServiceError } from "../../../runtime/errors/errors.ts";
import type { Storaged } from "../../storaged/contract.ts";

/** An object of storaged, as a manifest names it. */
export interface ObjectAddress {
  bucket: string;
  key: string;
  bytes: number;
  etag: string;
}

export interface FetchOptions {
  storaged: Peer<Storaged>;
  directory: string;
  newId: () => string;
}

interface Wanted {
  /** What the copy is called, followed by the SHA-256 of its bytes. */
  id: string;
  object: ObjectAddress;
  signal: AbortSignal;
}

/** Errors of the transfer, which a second one may not have; those of a disk are not among them. */
const retried = new Set(["corrupt", "bad_gateway", "internal"]);

/**
 * The object's copy. One that arrives damaged is fetched once more, unless storaged finds the object itself `corrupt`
 * when it looks at it again: how a body broke off does not say why.
 */
export async function fetchCopy(
  options: FetchOptions,
  wanted: Wanted,
): Promise<{ path: string; hash: string }> {
  try {
    return await download(options, wanted);
  } catch (cause) {
    if (wanted.signal.aborted || !(cause instanceof ServiceError) || !retried.has(cause.type)) throw cause;
  }
  const { object, signal } = wanted;
  await options.storaged.verbs.locate({ bucket: object.bucket, key: object.key }, { signal });
  return download(options, wanted);
}

/** Length, etag and, where storaged knows it, the SHA-256 must match. */
async function download(
  { storaged, directory, newId }: FetchOptions,
  { id, object, signal }: Wanted,
): Promise<{ path: string; hash: string }> {
  const { bucket, key, bytes, etag } = object;
  const path = key.split("/").map(encodeURIComponent).join("/");
  const place = `/storage/get/${path}?bucket=${encodeURIComponent(bucket)}`;
  const response = await storaged.fetch(place, { signal });
  if (!response.ok || !response.body) throw await refusal(response, key);
  const part = join(directory, `${newId()}.part`);
  const handle = await open(part, "wx");
  try {
    const hasher = new Bun.CryptoHasher("sha256");
    let length = 0;
    for await (const chunk of arriving(response.body, key)) {
      hasher.update(chunk);
      length += chunk.length;
      if (length > bytes) break;
      await handle.writeFile(chunk);
    }
    const digest = hasher.digest();
    const { headers } = response;
    const isSame = headers.get("etag")?.replaceAll('"', "") === etag;
    const declared = headers.get("repr-digest");
    const isRight = declared === null || declared === `sha-256=:${digest.toString("base64")}:`;
    if (length !== bytes || !isSame || !isRight) {
      const text = `object '${key}' arrived with ${length} of ${bytes} bytes, another etag or another checksum`;
      throw fail("corrupt", text);
    }
    await handle.sync();
    const hash = digest.toString("hex");
    const target = join(directory, `${id}.${hash}.parquet`);
    await rename(part, target);
    return { path: target, hash };
  } finally {
    await handle.close();
    await discard(part);
  }
}

/** The chunks; a body that breaks off is `bad_gateway`, over a port as over HTTP. */
async function* arriving(body: ReadableStream<Uint8Array>, key: string): AsyncGenerator<Uint8Array> {
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((cause: unknown) => {
        throw cause instanceof ServiceError
          ? cause
          : fail("bad_gateway", `object '${key}' broke off on its way`, { cause });
      });
      if (done) return;
      yield value;
    }
  } finally {
    // Also when writing the copy failed: the rest of the body is not wanted.
    reader.cancel().catch(() => undefined);
  }
}

async function refusal(response: Response, key: string): Promise<Error> {
  const { error } = (await response.json().catch(() => ({}))) as { error?: { type?: string } };
  if (response.status === 404) return fail("not_found", `object '${key}' is missing`);
  if (error?.type === "corrupt") return fail("corrupt", `object '${key}' is corrupt`);
  return fail("unavailable", `storaged answered ${response.status} for object '${key}'`, {
    retryAfterSeconds: 1,
  });
}
