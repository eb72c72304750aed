/** The chain a trace belongs to, and every change in it. */
import type { InputOf, ReplyOf } from "../../../runtime/contract/contract.ts";
import type { Pathwayd } from "../contract.ts";
import {
  advance,
  type Change,
  countUpTo,
  type Entry,
  type Erased,
  formatTime,
  type Head,
  type TraceTable,
  traceOf,
  unknownUid,
} from "../traces/traces.ts";
import { bytesOf, readToken, takePage, writeToken } from "./page.ts";

type HistoryInput = InputOf<Pathwayd["endpoints"]["history"]>;
type HistoryReply = ReplyOf<Pathwayd["endpoints"]["history"]>;

const pageSizeDefault = 1000;

/** A page of changes and the traces they belong to. Throws `not_found`. */
export function history(
  { uid, page_size = pageSizeDefault, page_token }: HistoryInput,
  table: TraceTable,
): HistoryReply {
  const entry = table.find(uid);
  if (!entry) throw unknownUid(uid);
  const chain = chainOf(entry, table);
  // Changes are only ever added behind: the last sequence given is a stable place.
  const after = page_token === undefined ? 0 : readToken(page_token, { uid }).at;
  const changes = chain
    .flatMap((member) => changesAfter(member, after, page_size + 1))
    .sort((a, b) => a.change.seq - b.change.seq);
  const { page, more } = takePage(changes, {
    skip: 0,
    size: page_size,
    bytesOf: ({ head, entry: { head: now } }) => (head ? bytesOf(head) : 0) + bytesOf(now),
  });
  const shown = new Set(page.map((item) => item.entry));
  return {
    traces: chain.filter((member) => shown.has(member) && !member.erased).map(({ head }) => traceOf(head)),
    changes: page.map(({ change, head }) => ({
      sequence: change.seq,
      at: formatTime(change.at),
      kind: change.kind,
      uid: change.uid,
      ...(head && { trace: traceOf(head) }),
      ...("reason" in change && change.reason !== undefined && { reason: change.reason }),
      ...(change.kind === "erased" && { who: change.who, why: change.why }),
    })),
    ...(more && { next_page_token: writeToken({ at: page.at(-1)?.change.seq ?? 0, skip: 0 }, { uid }) }),
  };
}

/** The whole chain, the oldest first; ends where it comes back to itself, as only a forged log would make it. */
function chainOf(entry: Entry, table: Pick<TraceTable, "find">): Entry[] {
  const seen = new Set([entry]);
  const follow = (next: (head: Head) => string | undefined): Entry[] => {
    const found: Entry[] = [];
    let at: Entry = entry;
    for (;;) {
      const uid = next(at.head);
      const neighbour = uid === undefined ? undefined : table.find(uid);
      if (!neighbour || seen.has(neighbour)) return found;
      seen.add(neighbour);
      found.push(neighbour);
      at = neighbour;
    }
  };
  const older = follow(({ predecessor }) => predecessor);
  return [...older.reverse(), entry, ...follow(({ successor }) => successor)];
}

interface Shown {
  entry: Entry;
  change: Change | Erased;
  /** The trace after it, for changes of what it holds. */
  head?: Head;
}

/** The first changes of the trace with a later sequence, at most `most` of them and as many replays. */
function changesAfter(entry: Entry, after: number, most: number): Shown[] {
  const { changes, replays, head } = entry;
  const shown: Shown[] = [];
  if (entry.erased && entry.erased.seq > after) shown.push({ entry, change: entry.erased });
  let then: Head | undefined;
  for (const change of changes) {
    if (shown.length >= most) break;
    then = advance(then, change);
    if (change.seq <= after) continue;
    const holds = change.kind === "add" || change.kind === "update" || change.kind === "revise";
    shown.push({ entry, change, ...(holds && { head: withReplays(then, entry, change.at) }) });
  }
  const from = countUpTo(replays.seqs, after);
  for (let at = from; at < Math.min(replays.seqs.length, from + most); at++) {
    const [seq = 0, time = 0] = [replays.seqs[at], replays.ats[at]];
    shown.push({ entry, change: { kind: "replay", seq, at: time, uid: head.uid } });
  }
  return shown;
}

function withReplays(head: Head, { replays }: Entry, at: number): Head {
  const count = countUpTo(replays.ats, at);
  const replayed = replays.ats[count - 1];
  return { ...head, replays: count, ...(replayed !== undefined && { replayed }) };
}
