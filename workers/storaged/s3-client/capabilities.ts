/**
 * What a server supports, found out by trying: some ignore the headers of conditional writes without a word, some
 * accept an `If-Match` on a missing key, Ceph RGW 16 knows an etag only without its quotes, and SeaweedFS takes a
 * backslash in a key for a slash.
 */
import { fail, ServiceError } from "../../../runtime/errors/errors.ts";
import { reservedPrefix } from "../bucket/bucket.ts";
import { bareEtag, type S3Connection } from "./connection.ts";
import { refusal } from "./errors.ts";
import { elements, keyOf } from "./xml.ts";

/** `locked`: storaged checks the condition and writes under a lock of its own. */
export type ConditionalWrites = { mode: "native"; header: (etag: string) => string } | { mode: "locked" };

export interface Supports {
  /** What the server calls itself, where it does. */
  server: string | undefined;
  writes: ConditionalWrites;
  /** False when a key with `\` would be another object's. */
  keepsBackslash: boolean;
  /** True when the etag of an object sent in one request is the MD5 of its bytes, as Amazon's is. */
  etagsAreMd5: boolean;
  /** What it does otherwise than Amazon's, in words for operators. */
  lacks: string[];
}

const quoted = (etag: string): string => `"${etag}"`;
const bare = (etag: string): string => etag;
const etagOfNothing = "00000000000000000000000000000000";
const content = new TextEncoder().encode(
  "A trial of what this server supports. This object may be deleted.\n",
);

/**
 * Writes, overwrites, lists and deletes small objects under `.lakehouse/probe/`. Throws, saying what was tried, when
 * the server refuses one of these: storaged could do its work no better.
 */
export async function probeServer(
  connection: S3Connection,
  newId: () => string,
  signal: AbortSignal,
): Promise<Supports> {
  const key = `${reservedPrefix}probe/${newId()}`;
  const names = { key, absent: `${key}-absent`, odd: `${key}-back\\slash` };
  const { expect } = connection;
  try {
    const first = await tried(`write '${key}'`, () =>
      expect({ method: "PUT", key, body: content, signal }, 200),
    );
    const etag = bareEtag(first.headers.get("etag"));
    const { writes, lacks } = await probeConditions(connection, { ...names, etag }, signal);
    const keepsBackslash = await probeBackslash(connection, names.odd, signal);
    if (!keepsBackslash) lacks.push("takes '\\' in a key for '/': such keys are refused");
    const etagsAreMd5 = etag === new Bun.CryptoHasher("md5").update(content).digest("hex");
    if (!etagsAreMd5)
      lacks.push("has etags that are no MD5: what others put there is read without a checksum");
    const server = first.headers.get("server") ?? undefined;
    for (const target of Object.values(names)) {
      await tried(`delete '${target}'`, () =>
        expect({ method: "DELETE", key: target, signal }, 200, 204, 404),
      );
    }
    return { server, writes, keepsBackslash, etagsAreMd5, lacks };
  } catch (error) {
    for (const target of Object.values(names)) {
      await connection.send({ method: "DELETE", key: target, signal }).catch(() => undefined);
    }
    throw error;
  }
}

/** Adds the attempted step to the error: naming the bucket alone would mislead. */
async function tried<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof ServiceError) || error.type !== "bad_gateway") throw error;
    throw fail(error.type, `${error.message} (the trial at the start was to ${what})`, {
      ...(error.details !== undefined && { details: error.details }),
      cause: error,
    });
  }
}

async function probeConditions(
  { address, send }: S3Connection,
  { key, absent, etag }: { key: string; absent: string; etag: string },
  signal: AbortSignal,
): Promise<{ writes: ConditionalWrites; lacks: string[] }> {
  const put = async (target: string, headers: Record<string, string>) => {
    const answer = await send({ method: "PUT", key: target, headers, body: content, signal });
    // Some servers answer 501 to a header they do not know.
    if (answer.status >= 500 && answer.status !== 501) throw refusal(address, answer);
    return answer.status;
  };
  const trials = [
    ["If-None-Match: * over an object", key, { "if-none-match": "*" }],
    ["If-Match with another etag", key, { "if-match": quoted(etagOfNothing) }],
    ["If-Match with another etag, unquoted", key, { "if-match": bare(etagOfNothing) }],
    ["If-Match on a missing key", absent, { "if-match": quoted(etag) }],
  ] as const;
  const lacks: string[] = [];
  for (const [what, target, headers] of trials) {
    const status = await put(target, headers);
    if (status !== 412 && status !== 404) lacks.push(`answers ${status} to ${what}, not 412`);
  }
  if (lacks.length > 0) return { writes: { mode: "locked" }, lacks };
  for (const header of [quoted, bare]) {
    const status = await put(key, { "if-match": header(etag) });
    if (status === 200) return { writes: { mode: "native", header }, lacks };
    lacks.push(`answers ${status} to If-Match with the object's own etag, ${header.name}`);
  }
  return { writes: { mode: "locked" }, lacks };
}

async function probeBackslash({ expect }: S3Connection, odd: string, signal: AbortSignal): Promise<boolean> {
  await expect({ method: "PUT", key: odd, body: content, signal }, 200);
  const [prefix = ""] = odd.split("\\");
  const query = { "list-type": "2", "encoding-type": "url", prefix };
  const { text } = await tried(`list '${prefix}'`, () => expect({ method: "GET", query, signal }, 200));
  return elements(text, "Key").some((name) => keyOf(name) === odd);
}
