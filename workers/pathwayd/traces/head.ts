/** A trace at one moment, and the reducer that applies a change to it: the log is replayed by it alone. */
import type { Static } from "@sinclair/typebox";
import { fail } from "../../../runtime/errors/errors.ts";
import type { Trace } from "../contract.ts";
import type { Change, Erased, Scope } from "./change.ts";
import { factsOf } from "./facts.ts";
import { formatTime } from "./instant.ts";

export interface Head {
  readonly uid: string;
  readonly content: unknown;
  readonly tags: readonly string[];
  readonly embedding?: readonly number[];
  /** Length of the embedding as a vector. */
  readonly norm: number;
  readonly scope?: Scope;
  readonly valid_from?: number;
  readonly valid_to?: number;
  readonly created: number;
  readonly updated: number;
  readonly predecessor?: string;
  readonly successor?: string;
  readonly retired?: { at: number; reason?: string };
  readonly replays: number;
  readonly replayed?: number;
  /** Nothing of it is left but this. */
  readonly erased?: { at: number; who: string; why: string };
}

/** Whether reads return it by default. */
export const isLive = ({ retired, successor, erased }: Head): boolean =>
  retired === undefined && successor === undefined && erased === undefined;

export const unknownUid = (uid: string) =>
  fail("not_found", `there is no trace '${uid}'`, { details: { uid } });

export const erasedUid = (uid: string, { at, who, why }: NonNullable<Head["erased"]>) =>
  fail("not_found", `trace '${uid}' was erased at ${formatTime(at)}`, {
    details: { uid, erased: { at: formatTime(at), who, why } },
  });

/** An erased trace. */
export const headOfErased = (record: Erased): Head => ({
  uid: record.uid,
  content: "",
  tags: [],
  norm: 0,
  created: record.created,
  updated: record.at,
  ...(record.predecessor !== undefined && { predecessor: record.predecessor }),
  ...(record.successor !== undefined && { successor: record.successor }),
  ...(record.valid_from !== undefined && { valid_from: record.valid_from }),
  replays: 0,
  erased: { at: record.at, who: record.who, why: record.why },
});

/** Euclidean length. */
export const normOf = (vector: readonly number[] = []): number => {
  let sum = 0;
  for (const value of vector) sum += value * value;
  return Math.sqrt(sum);
};

/** The trace after the change. Throws when the change does not fit: the log was tampered with. */
export function advance(head: Head | undefined, change: Change): Head {
  const { uid, at, kind } = change;
  if (kind === "add" || kind === "revise") {
    if (head) throw new Error(`${kind} of a uid that is taken`);
    const { content, tags, embedding } = change;
    return {
      uid,
      content,
      tags,
      ...(embedding && { embedding }),
      norm: normOf(embedding),
      ...factsOf(change),
      created: at,
      updated: at,
      ...(kind === "revise" && { predecessor: change.predecessor }),
      replays: 0,
    };
  }
  if (!head) throw new Error(`${kind} of an unknown uid`);
  if (kind === "update") return updated(head, change);
  if (kind === "supersede") {
    if (head.successor !== undefined) throw new Error("supersede of a superseded trace");
    return { ...head, successor: change.successor };
  }
  if (kind === "retire") {
    const retired = { at, ...(change.reason !== undefined && { reason: change.reason }) };
    return head.retired ? head : { ...head, retired };
  }
  return { ...head, replays: head.replays + 1, replayed: at };
}

/** New content drops the embedding of the old content. */
function updated(head: Head, change: Extract<Change, { kind: "update" }>): Head {
  const { embedding: old, ...rest } = head;
  const embedding = change.embedding ?? (change.content === undefined ? old : undefined);
  return {
    ...rest,
    content: change.content ?? head.content,
    tags: change.tags ?? head.tags,
    ...(embedding && { embedding }),
    norm: embedding === old ? head.norm : normOf(embedding),
    ...factsOf({ ...rest, ...factsOf(change) }),
    updated: change.at,
  };
}

/** The trace as callers see it. */
export const traceOf = (head: Head): Static<typeof Trace> => ({
  uid: head.uid,
  content: head.content,
  tags: [...head.tags],
  created_at: formatTime(head.created),
  updated_at: formatTime(head.updated),
  ...(head.predecessor !== undefined && { predecessor: head.predecessor }),
  ...(head.successor !== undefined && { successor: head.successor }),
  retired: head.retired !== undefined,
  ...(head.retired && { retired_at: formatTime(head.retired.at) }),
  ...(head.retired?.reason !== undefined && { reason: head.retired.reason }),
  replay_count: head.replays,
  ...(head.replayed !== undefined && { last_replayed_at: formatTime(head.replayed) }),
  ...(head.scope && { scope: { ...head.scope } }),
  ...(head.valid_from !== undefined && { valid_from: formatTime(head.valid_from) }),
  ...(head.valid_to !== undefined && { valid_to: formatTime(head.valid_to) }),
  ...(head.embedding && { embedding: [...head.embedding] }),
});
