/**
 * A checkpoint: the rows of an index at one moment, one immutable object of LHV1.
 *
 *   HEAD  JSON: {id, dimension, rows}
 *   …     pieces of rows, up to the end
 *
 * Written and read piece by piece, in memory that does not depend on the number of rows.
 */
import { closed, t } from "../../../runtime/contract/contract.ts";
import type { Upserts } from "../rows/rows.ts";
import {
  corrupt,
  createFrameWriter,
  decodeHead,
  encodeHead,
  readFrame,
  type Source,
  sectionOf,
} from "./frame.ts";
import { decodePiece, encodeRows } from "./rows.ts";

const CheckpointHead = closed({
  id: t.String(),
  dimension: t.Integer({ minimum: 1 }),
  rows: t.Integer({ minimum: 0 }),
});

interface CheckpointFacts {
  id: string;
  dimension: number;
  rows: number;
}

/** Vectors in a checkpoint, one row after the other from the offset on. */
export interface VectorsAt {
  offset: number;
  rows: number;
}

/**
 * Writes the rows through `write`; returns the chain of the object and where its vectors are. Throws when the pieces
 * are not `rows` rows: the object is worth nothing then.
 */
export async function writeCheckpoint(
  { id, dimension, rows }: CheckpointFacts,
  pieces: AsyncIterable<Upserts> | Iterable<Upserts>,
  write: (bytes: Uint8Array) => Promise<void>,
): Promise<{ chain: string; vectors: VectorsAt[] }> {
  const frame = createFrameWriter("checkpoint");
  const vectors: VectorsAt[] = [];
  let written = 0;
  let bytesBefore = frame.header.length;
  const section = async (bytes: Uint8Array) => {
    const { letters, offset, length } = sectionOf(bytes);
    if (letters === "VECS") vectors.push({ offset: bytesBefore + offset, rows: length / 4 / dimension });
    bytesBefore += bytes.length;
    await write(bytes);
  };
  await write(frame.header);
  await section(encodeHead(frame, { id, dimension, rows }));
  for await (const piece of pieces) {
    if (piece.vectors.length !== piece.ids.length * dimension) {
      throw new RangeError(
        `${piece.vectors.length} numbers for ${piece.ids.length} rows of dimension ${dimension}`,
      );
    }
    for (const bytes of encodeRows(frame, piece)) await section(bytes);
    written += piece.ids.length;
  }
  if (written !== rows) throw new RangeError(`a checkpoint of ${rows} rows was given ${written}`);
  const { bytes, chain } = frame.end();
  await write(bytes);
  return { chain, vectors };
}

/**
 * The rows, piece by piece; it must be this very checkpoint, as `chain` says. Throws `corrupt`, possibly after some
 * rows were given: they count only when the end was reached.
 */
export async function* readCheckpoint(
  source: Source,
  { id, dimension, rows, chain }: CheckpointFacts & { chain: string },
): AsyncGenerator<Upserts & { offset: number }> {
  const frame = await readFrame(source, "checkpoint");
  const head = await decodeHead(frame, CheckpointHead);
  if (head.id !== id || head.dimension !== dimension || head.rows !== rows) {
    throw corrupt(source.key, "it is another checkpoint than the manifest names");
  }
  let read = 0;
  for (let section = await frame.next(); section; section = await frame.next()) {
    if (section.letters !== "IDS ")
      throw corrupt(source.key, `expected section IDS, found ${section.letters}`);
    const piece = await decodePiece(frame, section.payload, dimension);
    read += piece.ids.length;
    yield piece;
  }
  if (read !== rows) throw corrupt(source.key, `it holds ${read} rows, ${rows} are expected`);
  if (frame.chain() !== chain) throw corrupt(source.key, "it is not the checkpoint that the manifest names");
}
