/**
 * Files of native indexes. What usearch or FAISS wrote is followed by a trailer of 32 bytes, little endian, that tells
 * a whole file of the same kind from any other: native libraries believe what they read, and end the process at some
 * damage. `LHENGINE`, what it was built for (xxHash64), rows, keys that stand for no row any more, and the xxHash64 of all bytes
 * before it. Those keys, u32 each, stand before the trailer.
 */
import { type FileHandle, open } from "node:fs/promises";
import { fail } from "../../../runtime/errors/errors.ts";
import type { EngineSpec } from "../engine/engine.ts";

const magic = Buffer.from("LHENGINE");
const trailerBytes = 32;
/** Read at once: the thread answers searches between two pieces. */
const pieceBytes = 4 * 1024 * 1024;

/** The graph depends on these; not on `ef_search`, nor on where the rows are. */
const builtFor = ({ ef_search: _, memory: __, ...spec }: EngineSpec, engine: string): bigint =>
  Bun.hash.xxHash64(JSON.stringify([engine, ...Object.entries(spec).sort(([a], [b]) => (a < b ? -1 : 1))]));

/** The hash of the first `length` bytes, piece by piece. */
async function hashOf(file: FileHandle, length: number): Promise<bigint> {
  const piece = Buffer.allocUnsafe(Math.min(pieceBytes, length));
  let hash = 0n;
  for (let at = 0; at < length; ) {
    const { bytesRead } = await file.read(piece, 0, Math.min(piece.length, length - at), at);
    if (bytesRead === 0) throw fail("corrupt", `the engine's file ends at ${at} bytes of ${length}`);
    hash = Bun.hash.xxHash64(piece.subarray(0, bytesRead), hash);
    at += bytesRead;
  }
  return hash;
}

/** Adds the keys and the trailer to a file that a native library has just written. */
export async function sealFile(
  path: string,
  { spec, engine, rows, gone }: { spec: EngineSpec; engine: string; rows: number; gone: Uint32Array },
): Promise<void> {
  const file = await open(path, "r+");
  try {
    const keysAt = (await file.stat()).size;
    const keys = new Uint8Array(gone.buffer, gone.byteOffset, gone.byteLength);
    if (keys.length > 0) await file.write(keys, 0, keys.length, keysAt);
    const size = keysAt + keys.length;
    const trailer = Buffer.alloc(trailerBytes);
    magic.copy(trailer);
    trailer.writeBigUInt64LE(builtFor(spec, engine), 8);
    trailer.writeUInt32LE(rows, 16);
    trailer.writeUInt32LE(gone.length, 20);
    trailer.writeBigUInt64LE(await hashOf(file, size), 24);
    const { bytesWritten } = await file.write(trailer, 0, trailerBytes, size);
    if (bytesWritten < trailerBytes)
      throw fail("storage_full", "cannot write the engine's file: the disk is full: free space on it");
  } finally {
    await file.close();
  }
}

/** The keys that stand for no row, ascending, and the rows it covers. Throws `corrupt` unless the file is whole and was built for just this. */
export async function checkFile(
  path: string,
  { spec, engine, rows }: { spec: EngineSpec; engine: string; rows: number },
): Promise<{ covers: number; gone: Uint32Array }> {
  const damaged = (why: string) => fail("corrupt", `the engine's file cannot be used, build it anew: ${why}`);
  const file = await open(path, "r").catch((cause: Error) => {
    throw damaged(cause.message);
  });
  try {
    const { size } = await file.stat();
    if (size < trailerBytes) throw damaged(`it has ${size} bytes`);
    const trailer = Buffer.alloc(trailerBytes);
    await file.read(trailer, 0, trailerBytes, size - trailerBytes);
    if (!trailer.subarray(0, 8).equals(magic)) throw damaged("its end is missing");
    if (trailer.readBigUInt64LE(8) !== builtFor(spec, engine))
      throw damaged("it was built for another index");
    const covers = trailer.readUInt32LE(16);
    if (covers > rows) throw damaged(`it covers ${covers} rows, expected ${rows} at most`);
    if (trailer.readBigUInt64LE(24) !== (await hashOf(file, size - trailerBytes)))
      throw damaged("its bytes changed");
    const gone = new Uint32Array(trailer.readUInt32LE(20));
    const keys = new Uint8Array(gone.buffer);
    if (keys.length > size - trailerBytes) throw damaged("it names more keys than it holds");
    if (keys.length > 0) await file.read(keys, 0, keys.length, size - trailerBytes - keys.length);
    return { covers, gone };
  } finally {
    await file.close();
  }
}
