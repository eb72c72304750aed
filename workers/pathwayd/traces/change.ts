/** What a line of the log holds: one change, as it was made. Times are microseconds since the epoch. */
import type { Static, TProperties } from "@sinclair/typebox";
import { closed, t } from "../../../runtime/contract/contract.ts";

/** Name and version in the head of the log. */
export const logFormat = { format: "lakehouse.pathway", version: 3 } as const;

const sequence = t.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER });
const text = t.String({ minLength: 1 });
const content = t.Unknown();
const tags = t.Array(t.String());
const embedding = t.Array(t.Number());
/** Whose it is, and in which work it came to be. */
export const Scope = closed({
  user: t.Optional(text),
  agent: t.Optional(text),
  run: t.Optional(text),
  session: t.Optional(text),
});
export type Scope = Static<typeof Scope>;
/** From when and until when it is true, the end left out: beside the times at which it was recorded. Since version 2. */
const more = {
  scope: t.Optional(Scope),
  valid_from: t.Optional(t.Integer()),
  valid_to: t.Optional(t.Integer()),
};
const range = t.Tuple([sequence, sequence]);

const change = <K extends string, P extends TProperties>(kind: K, properties: P) =>
  closed({
    kind: t.Literal(kind),
    seq: sequence,
    at: t.Integer(),
    uid: text,
    /** Of the request with an Idempotency-Key that made it. */
    op: t.Optional(text),
    ...properties,
  });

export const Change = t.Union([
  change("add", { content, tags, embedding: t.Optional(embedding), ...more }),
  change("revise", {
    content,
    tags,
    embedding: t.Optional(embedding),
    predecessor: text,
    reason: t.Optional(t.String()),
    ...more,
  }),
  /** Follows each revise, with the next sequence: either line alone keeps the old trace from coming back. */
  change("supersede", { successor: text }),
  change("update", {
    content: t.Optional(content),
    tags: t.Optional(tags),
    embedding: t.Optional(embedding),
    ...more,
  }),
  /** Stands in two lines, so that damage to one does not bring the trace back. */
  change("retire", { reason: t.Optional(t.String()) }),
  change("replay", {}),
]);
export type Change = Static<typeof Change>;

/** Many replays of one trace: sequences and times, the first as it is and then the steps. */
const Replays = closed({
  kind: t.Literal("replays"),
  uid: text,
  seqs: t.Array(sequence, { minItems: 1 }),
  ats: t.Array(t.Integer(), { minItems: 1 }),
});
export type Replays = Static<typeof Replays>;

/** Sequences whose lines were lost to damage, noted when the log was written anew. */
const Lost = closed({ kind: t.Literal("lost"), ranges: t.Array(range) });

/** What is left of a trace that was erased: that it was there, and the sequences of its changes. Since version 3. */
const Erased = closed({
  kind: t.Literal("erased"),
  uid: text,
  /** Of the erasure. */
  seq: sequence,
  at: t.Integer(),
  who: text,
  why: text,
  created: t.Integer(),
  predecessor: t.Optional(text),
  successor: t.Optional(text),
  /** From when it superseded its predecessor. */
  valid_from: t.Optional(t.Integer()),
  /** Of its changes, the first as it is and then the steps. */
  seqs: t.Array(sequence),
});
export type Erased = Static<typeof Erased>;

export const LogRecord = t.Union([...Change.anyOf, Replays, Lost, Erased]);
export type LogRecord = Static<typeof LogRecord>;

/** The lines a change is written in. */
export const linesOf = (record: Change): number => (record.kind === "retire" ? 2 : 1);

/** Delta encoding: the first number, then the differences, which are small. */
export const toSteps = (numbers: readonly number[]): number[] =>
  numbers.map((value, at) => value - (at === 0 ? 0 : (numbers[at - 1] ?? 0)));

/** The inverse of `toSteps`. */
export function fromSteps(steps: readonly number[]): number[] {
  let value = 0;
  return steps.map((step) => {
    value += step;
    return value;
  });
}
