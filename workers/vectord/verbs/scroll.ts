/**
 * Pages of items in the order they were added. A token says where the last page ended; it stays good while the index
 * is changed and compacted, and after it was opened again as long as that item is still there, unchanged and in place.
 */

import type { InputOf, ReplyOf } from "../../../runtime/contract/contract.ts";
import { invalidField } from "../../../runtime/errors/errors.ts";
import { parseFilter } from "../../../runtime/filter/filter.ts";
import { pageToken, readPageToken } from "../../../runtime/pages/pages.ts";
import { included, itemOf, numbersMax } from "../bodies/bodies.ts";
import type { Vectord } from "../contract.ts";
import type { LiveIndex } from "../indexes/indexes.ts";
import { countRows, type Rows } from "../rows/rows.ts";

type Scroll = Vectord["endpoints"]["scroll"];

const pageSizeDefault = 100;

export async function scroll(
  live: LiveIndex,
  input: InputOf<Scroll>,
  signal: AbortSignal,
): Promise<ReplyOf<Scroll>> {
  const { filter, include, page_size: size = pageSizeDefault, page_token: token } = input;
  const parts = included(include);
  const condition = filter === undefined ? undefined : parseFilter(filter);
  // A page of long vectors has fewer items than asked for; the token says that there are more.
  const fitting = parts.vector ? Math.max(1, Math.floor(numbersMax / numbersOf(live))) : size;
  const most = Math.min(size, fitting);
  const after = token === undefined ? undefined : sequenceAfter(token, live);
  const { rows, found } = await live.page({
    after,
    most: most + 1,
    signal,
    ...(condition && { filter: condition }),
  });
  const page = found.subarray(0, most);
  const last = found.length > most ? page.at(-1) : undefined;
  return {
    items: Array.from(page, (row) => itemOf(rows, row, live.config, parts)),
    ...(last !== undefined && { next_page_token: tokenOf(live, rows, last) }),
  };
}

/** Numbers of an item's vectors; of a sparse one, as many as few have. */
const numbersOf = ({ config: { dimension, vectors = {} } }: LiveIndex): number =>
  Object.values(vectors).reduce(
    (sum, shape) => sum + ("sparse" in shape ? 1024 : shape.dimension),
    dimension,
  );

/** Sequences begin anew each time an index is opened, so a token also says how to know its item again. */
interface Place {
  opening: string;
  sequence: number;
  id: string;
  /** Live rows up to the item, itself included: only more can be gone since, unless it moved to the end. */
  rank: number;
  /** Of the item's contents. */
  digest: string;
}

const tokenOf = ({ opening }: LiveIndex, rows: Rows, row: number): string =>
  pageToken([opening, rows.sequence(row), rankOf(rows, row), digestOf(rows, row), rows.id(row)].join(" "));

const rankOf = (rows: Rows, row: number): number => countRows(rows.view().alive, row + 1);

const digestOf = (rows: Rows, row: number): string =>
  new Bun.CryptoHasher("sha256")
    .update(JSON.stringify(rows.metadata(row) ?? null))
    .update(rows.blocks.row(row))
    .digest("base64url");

function sequenceAfter(token: string, live: LiveIndex): number {
  const { opening, sequence, id, rank, digest } = placeOf(token);
  if (opening === live.opening) return sequence;
  const rows = live.rows();
  const row = rows.find(id);
  if (row !== undefined && rankOf(rows, row) <= rank && digestOf(rows, row) === digest)
    return rows.sequence(row);
  throw invalidField(
    "page_token",
    "the place is lost since the index was opened again; begin from the start",
  );
}

function placeOf(token: string): Place {
  const form = /^(\S+) (\d{1,15}) (\d{1,15}) (\S+) (.*)$/s;
  const [opening = "", sequence, rank, digest = "", id = ""] = readPageToken(token, form);
  return { opening, sequence: Number(sequence), rank: Number(rank), digest, id };
}
