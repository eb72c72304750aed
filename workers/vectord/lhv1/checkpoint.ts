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
import { corrupt, createFrameWriter, decodeHead, encodeHead, readFrame, type Source } from "./frame.ts";
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

/**
 * Writes the rows through `write`; returns the chain of the object. Throws when the pieces are not `rows` rows: the
 * object is worth nothing then.
 */
export async function writeCheckpoint(
  { id, dimension, rows }: CheckpointFacts,
  pieces: AsyncIterable<Upserts> | Iterable<Upserts>,
  write: (bytes: Uint8Array) => Promise<void>,
): Promise<string> {
  const frame = createFrameWriter("checkpoint");
  let written = 0;
  await write(frame.header);
  await write(encodeHead(frame, { id, dimension, rows }));
  for await (const piece of pieces) {
    if (piece.vectors.length !== piece.ids.length * dimension) {
      throw new RangeError(
        `${piece.vectors.length} numbers for ${piece.ids.length} rows of dimension ${dimension}`,
      );
    }
    for (const bytes of encodeRows(frame, piece)) await write(bytes);
    written += piece.ids.length;
  }
  if (written !== rows) throw new RangeError(`a checkpoint of ${rows} rows was given ${written}`);
  const { bytes, chain } = frame.end();
  await write(bytes);
  return chain;
}

/**
 * The rows, piece by piece; it must be this very checkpoint, as `chain` says. Throws `corrupt`, possibly after some
 * rows were given: they count only when the end was reached.
 */
export async function* readCheckpoint(
  source: Source,
  { id, dimension, rows, chain }: CheckpointFacts & { chain: string },
): AsyncGenerator<Upserts> {
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
