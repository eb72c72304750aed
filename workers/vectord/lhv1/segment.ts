/**
 * A segment: the batches of one append, one immutable object of LHV1.
 *
 *   HEAD  JSON: {id, incarnation, sequence, previous, dimension, batches, operations?}
 *   BTCH  a batch: u32 deletes, u32 upserts; then tables of ids DELS, then pieces of rows
 *
 * `previous` is the sequence of the segment that was acknowledged before this one (0: none). A segment between the two
 * was written with an unknown outcome, its writer got that error, and it does not count: see objects/recovery.ts.
 */
import type { Static } from "@sinclair/typebox";
import { closed, t } from "../../../runtime/contract/contract.ts";
import type { Batch, Metadata } from "../rows/rows.ts";
import {
  corrupt,
  createFrameWriter,
  decodeHead,
  encodeHead,
  type FrameReader,
  readFrame,
  type Source,
} from "./frame.ts";
import { decodePiece, decodeTable, encodeIds, encodeRows } from "./rows.ts";

const sequence = t.Integer({ minimum: 0 });
const SegmentHead = closed({
  /** Chosen anew by every write: tells a write that has arrived from another's. */
  id: t.String(),
  incarnation: t.String(),
  sequence,
  previous: sequence,
  dimension: t.Integer({ minimum: 1 }),
  batches: t.Integer({ minimum: 0 }),
  /** Of each batch, where any came with an Idempotency-Key. */
  operations: t.Optional(t.Array(t.Union([t.String(), t.Null()]))),
});
type SegmentHead = Static<typeof SegmentHead>;
export type SegmentPlace = Omit<SegmentHead, "batches" | "operations">;

/** The bytes of a segment, piece by piece. */
export function* encodeSegment(
  place: SegmentPlace,
  batches: readonly Batch[],
): Generator<Uint8Array<ArrayBuffer>> {
  const frame = createFrameWriter("segment");
  const { id, incarnation, sequence, previous, dimension } = place;
  yield frame.header;
  const operations = batches.some(({ operation }) => operation !== undefined) && {
    operations: batches.map(({ operation }) => operation ?? null),
  };
  const head = { id, incarnation, sequence, previous, dimension, batches: batches.length, ...operations };
  yield encodeHead(frame, head);
  for (const { deletes, upserts } of batches) {
    const counts = new Uint32Array([deletes.length, upserts.ids.length]);
    yield frame.section("BTCH", counts.byteLength, (payload) => payload.set(new Uint8Array(counts.buffer)));
    yield* encodeIds(frame, "DELS", deletes);
    yield* encodeRows(frame, upserts);
  }
  yield frame.end().bytes;
}

/** The whole segment, checked to its end before anything of it is given. Throws `corrupt`. */
export async function decodeSegment(source: Source): Promise<{ head: SegmentHead; batches: Batch[] }> {
  const frame = await readFrame(source, "segment");
  const head = await decodeHead(frame, SegmentHead);
  const batches: Batch[] = [];
  for (let at = 0; at < head.batches; at++) {
    const operation = head.operations?.[at];
    batches.push({ ...(await decodeBatch(frame, head.dimension)), ...(operation && { operation }) });
  }
  if (await frame.next()) throw corrupt(source.key, `it holds more than its ${head.batches} batches`);
  return { head, batches };
}

async function decodeBatch(frame: FrameReader, dimension: number): Promise<Batch> {
  const counts = await frame.expect("BTCH");
  const [deletesCount, upsertsCount] = new Uint32Array(counts.buffer, counts.byteOffset, 2);
  if (counts.length !== 8 || deletesCount === undefined || upsertsCount === undefined) {
    throw corrupt(frame.key, "the head of a batch has another length");
  }
  // An id takes five bytes at least and a row as many as its vector: a count beyond that is no reason to allocate.
  if (upsertsCount * dimension * 4 > frame.bytes || deletesCount * 4 > frame.bytes) {
    throw corrupt(
      frame.key,
      `a batch of ${deletesCount} deletes and ${upsertsCount} items does not fit into it`,
    );
  }
  const deletes: string[] = [];
  while (deletes.length < deletesCount) {
    const some = decodeTable(frame.key, await frame.expect("DELS"));
    if (some.length === 0) throw corrupt(frame.key, "a table of deletes is empty");
    for (const id of some) deletes.push(id);
  }
  const ids: string[] = [];
  const metadata: (Metadata | undefined)[] = [];
  const vectors = new Float32Array(upsertsCount * dimension);
  while (ids.length < upsertsCount) {
    const piece = await decodePiece(frame, await frame.expect("IDS "), dimension);
    if (piece.ids.length === 0 || ids.length + piece.ids.length > upsertsCount) {
      throw corrupt(frame.key, "a piece of rows is empty or more than its batch holds");
    }
    vectors.set(piece.vectors, ids.length * dimension);
    for (const id of piece.ids) ids.push(id);
    for (const value of piece.metadata) metadata.push(value);
  }
  if (deletes.length !== deletesCount) throw corrupt(frame.key, "a batch holds more deletes than it states");
  return { deletes, upserts: { ids, vectors, metadata } };
}
