/** What can be asked of a thread that works on corpora's databases, and how it is asked. */
import type { WireError } from "../../../runtime/errors/errors.ts";
import type { SkippedNumbers } from "./copy.ts";
import type { LexiconState } from "./database.ts";
import type { Named } from "./erase.ts";
import type { InspectionStep } from "./inspection.ts";
import type { CorpusRow, LexicalQuestion, LexicalRow, TextPart } from "./read.ts";
import type { PendingRow, RowShape, Staged } from "./write.ts";

/** One function a request: what it takes beside the database's file, and what it answers. */
interface LexiconCalls {
  create: (input: { state: LexiconState }) => void;
  /** Opens the file and takes back what an unfinished refresh left. */
  open: (input: object) => LexiconState;
  /** Looks through the whole file. */
  check: (input: object) => void;
  begin: (input: object) => void;
  stage: (input: { lines: Uint8Array; shape: RowShape }) => Staged;
  pending: (input: { after: number; rowsMax: number; bytesMax: number }) => PendingRow[];
  removeUnseen: (input: object) => number;
  finish: (input: { changes: Omit<LexiconState, "generation" | "rows" | "last"> }) => LexiconState;
  undo: (input: object) => void;
  purge: (input: { from: number }) => number;
  orphans: (input: object) => number[];
  forgetOrphans: (input: { numbers: readonly number[] }) => void;
  /** Takes out the rows that name a subject, in every generation, or only counts them. */
  erase: (input: Named & { dryRun: boolean }) => { live: number; state: LexiconState };
  /** Leaves nothing of deleted rows in the file. */
  scrub: (input: object) => void;
  skipped: (input: object) => SkippedNumbers | null;
  forgetSkipped: (input: object) => void;
  /** How many rows of a generation have text, and so a vector each. */
  countTexts: (input: { generation: number }) => number;
  /** Writes a copy as of the state to the path. */
  copy: (input: { to: string; state: LexiconState }) => void;
  /** Goes on with an inspection of this id, or begins it: the file has this generation at least. `isOver` ends it. */
  inspect: (input: { id: string; generation: number }) => InspectionStep;
  /** Ends one that nobody goes on with. */
  endInspection: (input: { id: string }) => void;
  lexical: (input: LexicalQuestion) => LexicalRow[];
  read: (input: { generation: number; numbers: readonly number[]; text: TextPart }) => CorpusRow[];
  numbersOf: (input: { generation: number; ids: readonly string[] }) => (number | undefined)[];
  /** Lets go of the file. */
  close: (input: object) => void;
}
export type LexiconCall = keyof LexiconCalls;
export type InputOf<C extends LexiconCall> = Parameters<LexiconCalls[C]>[0];
export type AnswerOf<C extends LexiconCall> = ReturnType<LexiconCalls[C]>;

export type ToThread = { type: "ask"; file: string; call: LexiconCall; input: unknown } | { type: "stop" };
export type FromThread =
  | { type: "done"; value: unknown }
  | { type: "failed"; error: WireError; cause: Record<string, unknown> }
  | { type: "stopped" };
