/**
 * Pages of items in the order they were added. A token says where the last page ended; it stays good while the index
 * is changed and compacted, and after a restart as long as that item is still there.
 */
import type { InputOf, ReplyOf } from "../../runtime/contract.ts";
import { fail } from "../../runtime/errors.ts";
import { parseFilter } from "../../runtime/filter.ts";
import type { Vectord } from "./contract.ts";
import { itemOf } from "./hits.ts";
import type { LiveIndex } from "./live-index.ts";
import type { Rows } from "./rows.ts";
import { included, numbersMax } from "./search-body.ts";

type Scroll = Vectord["endpoints"]["scroll"];

const pageSizeDefault = 100;

/** `life` names this run of the service: row sequences begin anew with each. */
export async function scroll(
  live: LiveIndex,
  input: InputOf<Scroll>,
  { life, signal }: { life: string; signal: AbortSignal },
): Promise<ReplyOf<Scroll>> {
  const { filter, include, page_size: size = pageSizeDefault, page_token: token } = input;
  const parts = included(include);
  const condition = filter === undefined ? undefined : parseFilter(filter);
  // A page of long vectors has fewer items than asked for; the token says that there are more.
  const fitting = parts.vector ? Math.max(1, Math.floor(numbersMax / live.config.dimension)) : size;
  const most = Math.min(size, fitting);
  const after = token === undefined ? undefined : sequenceAfter(token, live.rows(), life);
  const { rows, found } = await live.page({
    after,
    most: most + 1,
    signal,
    ...(condition && { filter: condition }),
  });
  const page = found.subarray(0, most);
  const last = found.length > most ? page.at(-1) : undefined;
  return {
    items: Array.from(page, (row) => itemOf(rows, row, parts)),
    ...(last !== undefined && { next_page_token: tokenOf(rows, last, life) }),
  };
}

const tokenOf = (rows: Rows, row: number, life: string): string =>
  Buffer.from(JSON.stringify([life, rows.sequence(row), rows.id(row)])).toString("base64url");

function sequenceAfter(token: string, rows: Rows, life: string): number {
  const [tokenLife, sequence, id] = partsOf(token);
  if (tokenLife === life) return sequence;
  const row = rows.find(id);
  if (row !== undefined) return rows.sequence(row);
  throw fail(
    "invalid_field",
    "page_token: the place is lost since the index was opened again; begin from the start",
    {
      details: { field: "page_token" },
    },
  );
}

function partsOf(token: string): [life: string, sequence: number, id: string] {
  try {
    const [life, sequence, id, ...rest] = JSON.parse(Buffer.from(token, "base64url").toString("utf8"));
    if (typeof life === "string" && Number.isSafeInteger(sequence) && sequence >= 0 && typeof id === "string")
      if (rest.length === 0) return [life, sequence, id];
  } catch {
    // Said below: whatever is not such a list is no token of ours.
  }
  throw fail("invalid_field", "page_token: expected the next_page_token of an earlier answer", {
    details: { field: "page_token" },
  });
}
