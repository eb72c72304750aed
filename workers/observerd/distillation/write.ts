/** Writes training sets: lines into a file that is hashed as it grows, then into storaged. */
import { open } from "node:fs/promises";
import type { Peer } from "../../../runtime/contract/contract.ts";
import { peerError } from "../../../runtime/errors/errors.ts";
import type { Storaged } from "../../storaged/contract.ts";

interface WrittenLines {
  examples: number;
  bytes: number;
  sha256: string;
}

/** Lines are buffered up to this size before they are written, in characters. */
const pieceChars = 256 * 1024;

/** Writes each value as one line of JSON to a new file at `path`. */
export async function writeLines(
  path: string,
  values: Iterable<unknown>,
  signal: AbortSignal,
): Promise<WrittenLines> {
  const file = await open(path, "wx");
  const hasher = new Bun.CryptoHasher("sha256");
  const written = { examples: 0, bytes: 0 };
  let piece = "";
  const flush = async () => {
    signal.throwIfAborted();
    const bytes = Buffer.from(piece);
    piece = "";
    hasher.update(bytes);
    written.bytes += bytes.length;
    await file.writeFile(bytes);
  };
  try {
    for (const value of values) {
      written.examples += 1;
      piece += `${JSON.stringify(value)}\n`;
      if (piece.length >= pieceChars) await flush();
    }
    await flush();
  } finally {
    await file.close();
  }
  return { ...written, sha256: hasher.digest("hex") };
}

/** Stores the file under the key in bucket `primary`; streams it. The etag. */
export async function storeFile(
  storaged: Peer<Storaged>,
  key: string,
  path: string,
  { signal, requestId }: { signal: AbortSignal; requestId: string },
): Promise<string> {
  const response = await storaged.fetch(`/storage/put/${key}`, {
    method: "PUT",
    headers: { "content-type": "application/x-ndjson", "x-request-id": requestId },
    body: Bun.file(path),
    signal,
  });
  if (!response.ok) throw await peerError("storaged", response);
  return ((await response.json()) as { etag: string }).etag;
}
