/** The table of all traces in memory, built from the log: what each is now, and every change that made it so. */
import {
  type Change,
  type Erased,
  fromSteps,
  type LogRecord,
  linesOf,
  type Replays,
  toSteps,
} from "./change.ts";
import { type Contents, textOf } from "./content.ts";
import { createContentIndex } from "./content-index.ts";
import { renaming } from "./erasure.ts";
import { advance, type Head, headOfErased } from "./head.ts";
import { createGaps, type Range } from "./sequences.ts";

export interface Entry {
  /** Place in the order of creation. */
  readonly ordinal: number;
  head: Head;
  /** All but replays, in order. */
  changes: Change[];
  /** The replays, in order: sequences and times. */
  replays: { readonly seqs: number[]; readonly ats: number[] };
  /** As it stands in the log, when it was erased. */
  erased?: Erased;
}

type Replay = Extract<Change, { kind: "replay" }>;

interface Counts {
  live: number;
  retired: number;
  superseded: number;
  erased: number;
  replays: number;
  /** Replays that have a line of their own, which packing would save. */
  singleReplays: number;
  /** Changes of traces whose beginning was lost. */
  orphans: number;
}

export interface TraceTable {
  /** Takes a record into account; one that is known already changes nothing. Throws for one that does not fit. */
  apply: (record: LogRecord) => void;
  find: (uid: string) => Entry | undefined;
  /** In the order of creation. */
  entries: readonly Entry[];
  /** A live trace with this content and these tags, the oldest. */
  same: (contents: Contents) => Iterable<Head>;
  counts: () => Counts;
  lastSequence: () => number;
  /** The latest time of a change. */
  lastAt: () => number;
  /** Times of the changes that set content or tags, in order. */
  contentTimes: readonly number[];
  /** Sequences that no line holds, those noted before included. */
  lost: () => Range[];
  /** Of these, those that the log does not know as lost yet. */
  missing: () => Range[];
  /** All records in their most compact form, for a compaction. */
  records: () => Iterable<LogRecord>;
  /** Called after a compaction: the log consists of `records` now. */
  rewritten: () => void;
  /** Changes of traces whose beginning was lost. */
  orphans: readonly Change[];
  /** As `records`, with these in place of the traces that they are named by. */
  recordsWithout: (erased: ReadonlyMap<string, Erased>) => Iterable<LogRecord>;
  /** Forgets these traces: the log consists of `recordsWithout` now. */
  erase: (erased: ReadonlyMap<string, Erased>) => void;
}

interface TraceTableOptions {
  /** Called for each trace whose content or tags were set. */
  onContent: (ordinal: number) => void;
}

export function createTraceTable({ onContent }: TraceTableOptions): TraceTable {
  const rows = createRows();
  const { find, entries, counts } = rows;
  const orphans: Change[] = [];
  const contentTimes: number[] = [];
  const gaps = createGaps();
  const byContent = createContentIndex((uid) => find(uid)?.head);
  let lastAt = 0;

  const applyReplay = (change: Replay) => {
    if (!rows.replay(change)) orphans.push(change);
    lastAt = Math.max(lastAt, change.at);
  };
  const applyOther = (change: Change) => {
    const known = find(change.uid);
    const begins = change.kind === "add" || change.kind === "revise";
    if (!known && !begins) return void orphans.push(change);
    const entry = rows.set(known, change);
    entry.changes.push(change);
    if (!begins && change.kind !== "update") return;
    contentTimes.push(Math.max(change.at, contentTimes.at(-1) ?? 0));
    byContent.add(entry.head);
    onContent(entry.ordinal);
  };
  const applyChange = (change: Change) => {
    if (gaps.sequences.has(change.seq)) return;
    if (change.kind !== "replay") applyOther(change);
    else {
      applyReplay(change);
      counts.singleReplays += 1;
    }
    gaps.sequences.mark(change.seq);
    lastAt = Math.max(lastAt, change.at);
    const supersede =
      change.kind === "revise" ? supersedeOf(change, find(change.predecessor)?.head) : undefined;
    if (supersede) applyChange(supersede);
  };
  const applyErased = (record: Erased, uid: string) => {
    for (const sequence of [record.seq, ...fromSteps(record.seqs)]) gaps.sequences.mark(sequence);
    lastAt = Math.max(lastAt, record.at);
    onContent(rows.erase(uid, record).ordinal);
  };
  return {
    find,
    entries,
    contentTimes,
    same: byContent.find,
    counts: () => ({ ...counts, orphans: orphans.length }),
    lastSequence: gaps.sequences.last,
    lastAt: () => lastAt,
    lost: gaps.all,
    missing: gaps.missing,
    apply: (record) => {
      if (record.kind === "lost") gaps.note(record.ranges);
      else if (record.kind === "erased") applyErased(record, record.uid);
      else if (record.kind !== "replays") applyChange(record);
      else for (const replay of unpacked(record)) if (gaps.sequences.mark(replay.seq)) applyReplay(replay);
    },
    orphans,
    records: () => packed(gaps.all(), entries, orphans),
    recordsWithout: (erased) => withoutErased(packed(gaps.all(), entries, orphans), erased),
    erase: (erased) => {
      for (const [uid, record] of erased) applyErased(record, uid);
      orphans.splice(0, orphans.length, ...orphans.filter(({ uid }) => !erased.has(uid)));
      rows.rename(erased);
    },
    rewritten: () => {
      gaps.note(gaps.missing());
      counts.singleReplays = 0;
    },
  };
}

function unpacked({ uid, seqs, ats }: Replays): Replay[] {
  const times = fromSteps(ats);
  return fromSteps(seqs).map((seq, at) => ({ kind: "replay", uid, seq, at: times[at] ?? 0 }));
}

/** The line of the supersede may be missing after a crash: the revise implies it. */
function supersedeOf(revise: Extract<Change, { kind: "revise" }>, old: Head | undefined): Change | undefined {
  if (!old || old.successor !== undefined) return undefined;
  return { kind: "supersede", seq: revise.seq + 1, at: revise.at, uid: old.uid, successor: revise.uid };
}

/** The traces by uid and in their order, and how many there are of each kind. */
function createRows() {
  const byUid = new Map<string, Entry>();
  const entries: Entry[] = [];
  const counts = { live: 0, retired: 0, superseded: 0, erased: 0, replays: 0, singleReplays: 0 };
  const tally = ({ retired, successor, erased }: Head, by: 1 | -1) => {
    if (erased) counts.erased += by;
    else if (retired) counts.retired += by;
    else if (successor !== undefined) counts.superseded += by;
    else counts.live += by;
  };
  const find = (uid: string) => byUid.get(uid);
  /** Applies the change to the trace, or creates it. Throws, and changes nothing, when the change does not fit. */
  const set = (entry: Entry | undefined, change: Change): Entry => {
    const head = advance(entry?.head, change);
    if (entry) {
      tally(entry.head, -1);
      entry.head = head;
    }
    const made = entry ?? { ordinal: entries.length, head, changes: [], replays: { seqs: [], ats: [] } };
    if (!entry) {
      byUid.set(change.uid, made);
      entries.push(made);
    }
    tally(head, 1);
    return made;
  };
  /** Counts the replay; false when there is no such trace. */
  const replay = (change: Replay): boolean => {
    const entry = find(change.uid);
    if (!entry) return false;
    set(entry, change);
    entry.replays.seqs.push(change.seq);
    entry.replays.ats.push(change.at);
    counts.replays += 1;
    return true;
  };
  /** Leaves of the trace, known by its uid until now, what the record says. */
  const erase = (uid: string, record: Erased): Entry => {
    const known = find(uid);
    const head = headOfErased(record);
    const entry = known ?? { ordinal: entries.length, head, changes: [], replays: { seqs: [], ats: [] } };
    if (known) tally(known.head, -1);
    else entries.push(entry);
    counts.replays -= entry.replays.seqs.length;
    Object.assign(entry, { head, changes: [], replays: { seqs: [], ats: [] }, erased: record });
    byUid.delete(uid);
    byUid.set(record.uid, entry);
    tally(head, 1);
    return entry;
  };
  /** What names them has their names of now. */
  const rename = (erased: ReadonlyMap<string, Erased>): void => {
    const renamed = renaming(erased);
    if (!renamed) return;
    for (const entry of entries) {
      entry.head = renamed(entry.head);
      entry.changes = entry.changes.map(renamed);
      if (entry.erased) entry.erased = renamed(entry.erased);
    }
  };
  return { entries, counts, find, set, replay, erase, rename };
}

/** What is lost, all changes in their order, then the replays of each trace in one record. */
function* packed(lost: Range[], entries: readonly Entry[], orphans: readonly Change[]): Generator<LogRecord> {
  if (lost.length > 0) yield { kind: "lost", ranges: lost };
  for (const { erased } of entries) if (erased) yield erased;
  const changes = [...entries.flatMap((entry) => entry.changes), ...orphans].sort((a, b) => a.seq - b.seq);
  for (const change of changes) for (let line = 0; line < linesOf(change); line++) yield change;
  for (const { head, replays } of entries) {
    if (replays.seqs.length === 0) continue;
    yield { kind: "replays", uid: head.uid, seqs: toSteps(replays.seqs), ats: toSteps(replays.ats) };
  }
}

function* withoutErased(
  records: Iterable<LogRecord>,
  erased: ReadonlyMap<string, Erased>,
): Generator<LogRecord> {
  const renamed = renaming(erased) ?? (<T>(value: T): T => value);
  let isFirst = true;
  for (const record of records) {
    // What is lost comes before all else.
    if (record.kind !== "lost" && isFirst) {
      isFirst = false;
      yield* erased.values();
    }
    if (record.kind === "lost") yield record;
    else if (!erased.has(record.uid)) yield renamed(record);
  }
  if (isFirst) yield* erased.values();
}

/** The trace as it was at the time, all changes up to it included; undefined when it was not there yet. */
export function headAt({ head, changes, replays }: Entry, at: number): Head | undefined {
  if (head.created > at) return undefined;
  const isPresent = (changes.at(-1)?.at ?? 0) <= at && (replays.ats.at(-1) ?? 0) <= at;
  if (isPresent) return head;
  let then: Head | undefined;
  for (const change of changes) if (change.at <= at) then = advance(then, change);
  const count = countUpTo(replays.ats, at);
  const replayed = replays.ats[count - 1];
  return then && { ...then, replays: count, ...(replayed !== undefined && { replayed }) };
}

/** Binary search: how many of the ascending numbers are at most `limit`. */
export function countUpTo(ascending: readonly number[], limit: number): number {
  let low = 0;
  let high = ascending.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ascending[middle] ?? 0) <= limit) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** What of a trace is searched by words. */
export const textsOf = ({ content, tags }: Head): { content: string; tags: string } => ({
  content: textOf(content),
  tags: tags.join("\n"),
});
