/** The expected checksum of an object in S3: stored with it or, for lack of that, its etag. */
import type { ObjectInfo } from "../bucket/bucket.ts";
import { type Check, md5Check, md5OfPartsCheck, sha256Check } from "./checks.ts";
import { readChecksums } from "./checksums.ts";
import { hashHeader, inParts, markHeader, pieceBytes, type S3Objects } from "./object.ts";

export interface Expectation {
  /** Of all bytes, where it was stored. */
  sha256?: string;
  whole: () => Check;
  /** Pieces that can be checked each by itself. */
  pieces?: { bytes: number; checkOf: (piece: number) => Check };
}

/** The object cannot be checked as it was stored; the checksums may have gone with the object itself. */
export class LostChecksums extends Error {}

interface Headers {
  info: ObjectInfo;
  headers: globalThis.Headers;
}

/** What others stored is known by its etag, where the server makes etags as Amazon's does. Undefined: by nothing. */
export async function expectationOf(
  { connection, etagsAreMd5 }: S3Objects & { etagsAreMd5: () => Promise<boolean> },
  { info, headers }: Headers,
  signal: AbortSignal,
): Promise<Expectation | undefined> {
  const stored = headers.get(hashHeader);
  const mark = headers.get(markHeader);
  if (stored === inParts && mark !== null) {
    const sums = await readChecksums(connection, mark, signal);
    if (typeof sums === "string") throw new LostChecksums(`its checksums are ${sums}`);
    const { sha256, piece_bytes, pieces } = sums;
    return {
      sha256,
      whole: () => sha256Check(sha256),
      pieces: { bytes: piece_bytes, checkOf: (piece) => sha256Check(pieces[piece] ?? "") },
    };
  }
  if (stored !== null) return { sha256: stored, ...inOne(info, () => sha256Check(stored)) };
  if (!isPlain(headers) || !(await etagsAreMd5())) return undefined;
  const { etag } = info;
  if (/^[0-9a-f]{32}$/.test(etag)) return inOne(info, () => md5Check(etag));
  // Of objects in parts only our own tell how long the parts are.
  const isOurs = mark !== null && etag.endsWith(`-${Math.ceil(info.bytes / pieceBytes)}`);
  return isOurs ? { whole: () => md5OfPartsCheck(etag, pieceBytes) } : undefined;
}

/** An object of one piece, if it is short enough to be held. */
const inOne = ({ bytes }: ObjectInfo, whole: () => Check): Expectation => ({
  whole,
  ...(bytes <= pieceBytes && { pieces: { bytes: Math.max(bytes, 1), checkOf: whole } }),
});

/** Etags of objects that the server encrypts with keys of its callers are of no bytes that can be read. */
const isPlain = (headers: globalThis.Headers): boolean => {
  const encryption = headers.get("x-amz-server-side-encryption");
  return encryption === null || encryption === "AES256";
};
