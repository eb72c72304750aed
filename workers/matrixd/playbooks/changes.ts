/**
 * Changes of playbooks: recorded, edited, called helpful or harmful, forgotten. Every one is a list of changes, mostly of
 * one, that is stored as one record: after a crash all of them are there or none.
 */
import type { CallContext, InputOf, ReplyOf } from "../../../runtime/contract/contract.ts";
import { fail, invalidField, ServiceError } from "../../../runtime/errors/errors.ts";
import { timestamp } from "../../../runtime/scheduling/scheduling.ts";
import type { Matrixd } from "../contract.ts";
import type { PlaybookDelta, PlaybookEdit, Recording } from "../schemas/schemas.ts";
import {
  type Checked,
  checkRecording,
  checkRoom,
  found,
  noPlaybook,
  type RecordingParts,
  recordedPlaybook,
  wordsOf,
} from "./recording.ts";
import { answerKey, type PlaybookChange, type PlaybookFields } from "./state.ts";

type Endpoints = Matrixd["endpoints"];
type Context = Pick<CallContext, "signal" | "operation">;

/** One change, checked as far as it can be before its turn. */
type Step =
  | { kind: "add"; checked: Checked }
  | { kind: "edit"; id: string; edit: PlaybookEdit }
  | { kind: "helpful" | "harmful" | "forget"; id: string };

/** What a list of changes makes of the playbooks, before it is stored. */
interface Draft {
  put: Map<string, PlaybookFields>;
  gone: Set<string>;
  /** Of the last recording: whether one was there. */
  merged: boolean;
  at: string;
}

/** Remembers an answer or a note. Throws as `checkRecording` and `checkRoom` do. */
export async function record(
  parts: RecordingParts,
  input: Recording,
  context: Context,
): Promise<ReplyOf<Endpoints["record"]>> {
  const checked = await checkRecording(parts, input, context.signal);
  const { put, merged } = await change(parts, [{ kind: "add", checked }], context);
  return { playbook: only(put), merged };
}

export async function edit(
  parts: RecordingParts,
  { playbook_id: id, ...wanted }: InputOf<Endpoints["edit"]>,
  context: Context,
): Promise<PlaybookFields> {
  return only((await change(parts, [editOf(id, wanted)], context)).put);
}

/** Counts feedback. What helps is confirmed, and fades from now on; what misleads fades as it did. */
export async function countFeedback(
  parts: RecordingParts,
  { kind, id }: { kind: "helpful" | "harmful"; id: string },
  context: Context,
): Promise<PlaybookFields> {
  return only((await change(parts, [{ kind, id }], context)).put);
}

export async function forget(
  parts: RecordingParts,
  id: string,
  context: Context,
): Promise<{ playbook_id: string }> {
  await change(parts, [{ kind: "forget", id }], context);
  return { playbook_id: id };
}

/** Makes all changes or none; an error names the change. */
export async function delta(
  parts: RecordingParts,
  changes: readonly PlaybookDelta[],
  context: Context,
): Promise<ReplyOf<Endpoints["delta"]>> {
  const steps: Step[] = [];
  for (const [at, each] of changes.entries())
    steps.push(await named(at, () => stepOf(parts, each, context.signal)));
  return deltaReply(await change(parts, steps, context));
}

export const deltaReply = ({ put, gone }: Pick<PlaybookChange, "put" | "gone">) => ({
  playbooks: put,
  forgotten: gone,
});

const forms = ["add", "edit", "helpful", "harmful", "forget"] as const;

async function stepOf(parts: RecordingParts, each: PlaybookDelta, signal: AbortSignal): Promise<Step> {
  const given = forms.filter((form) => each[form] !== undefined);
  if (given.length !== 1)
    throw fail("invalid_field", `expected one of ${forms.join(", ")}, got ${given.join(" and ") || "none"}`);
  if (each.add) return { kind: "add", checked: await checkRecording(parts, each.add, signal) };
  if (each.edit) {
    const { playbook_id: id, ...wanted } = each.edit;
    return editOf(id, wanted);
  }
  const kind = given[0] as "helpful" | "harmful" | "forget";
  return { kind, id: each[kind] ?? "" };
}

function editOf(id: string, wanted: PlaybookEdit): Step {
  if (Object.values(wanted).every((value) => value === undefined))
    throw fail("invalid_field", "expected one of query_text, note, tags, score");
  if (wanted.note !== undefined && wanted.note.trim() === "")
    throw invalidField("note", "expected words, got only spaces");
  const words = wanted.query_text === undefined ? {} : { query_text: wordsOf(wanted.query_text) };
  return { kind: "edit", id, edit: { ...wanted, ...words } };
}

/** The error with the place of the change it is about. */
async function named<R>(at: number, work: () => Promise<R>): Promise<R> {
  try {
    return await work();
  } catch (cause) {
    if (!(cause instanceof ServiceError)) throw cause;
    const { type, message, retryAfterSeconds } = cause;
    throw fail(type, `changes.${at}: ${message}`, {
      details: { field: `changes.${at}` },
      cause,
      ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
    });
  }
}

/** Plans the steps one after another, each on what those before it made, and stores them in one record. */
async function change(
  parts: RecordingParts,
  steps: readonly Step[],
  { signal, operation }: Context,
): Promise<Pick<PlaybookChange, "put" | "gone"> & { merged: boolean }> {
  const { store, clock } = parts;
  const each = steps.length === 1 ? <R>(_: number, work: () => Promise<R>) => work() : named;
  const answers: string[] = [];
  for (const [at, step] of steps.entries())
    answers.push(await each(at, async () => answerKey(answerOf(parts, step))));
  const plan = async () => {
    const draft: Draft = { put: new Map(), gone: new Set(), merged: false, at: timestamp(clock) };
    for (const [at, step] of steps.entries()) await each(at, () => apply(parts, draft, step, signal));
    const made = { put: [...draft.put.values()], gone: [...draft.gone] };
    return { change: made, result: { ...made, merged: draft.merged } };
  };
  return store.change(answers, plan, operation);
}

const answerOf = ({ store }: RecordingParts, step: Step) =>
  step.kind === "add" ? step.checked.input : found(store, step.id).playbook;

async function apply(parts: RecordingParts, draft: Draft, step: Step, signal: AbortSignal): Promise<void> {
  const { store } = parts;
  if (step.kind === "add") {
    const alike = store.state
      .alike(step.checked.input)
      .filter(({ playbook }) => !draft.gone.has(playbook.playbook_id));
    const current = ({ playbook }: { playbook: PlaybookFields }) =>
      draft.put.get(playbook.playbook_id) ?? playbook;
    const made = await recordedPlaybook(parts, step.checked, { alike, current }, { at: draft.at, signal });
    const fresh = [...draft.put.keys()].filter((id) => store.state.get(id) === undefined).length;
    if (!made.merged) checkRoom(parts, fresh + 1);
    draft.put.set(made.playbook.playbook_id, made.playbook);
    draft.merged = made.merged;
    return;
  }
  if (draft.gone.has(step.id)) throw noPlaybook(step.id);
  const before = draft.put.get(step.id) ?? found(store, step.id).playbook;
  if (step.kind === "forget") {
    draft.put.delete(step.id);
    draft.gone.add(step.id);
    return;
  }
  const changed =
    step.kind === "edit"
      ? step.edit
      : {
          [step.kind]: before[step.kind] + 1,
          ...(step.kind === "helpful" && { confirmed_at: draft.at }),
        };
  draft.put.set(step.id, { ...before, ...changed, updated_at: draft.at });
}

function only([playbook]: readonly PlaybookFields[]): PlaybookFields {
  if (!playbook) throw new Error("a change of a playbook made none");
  return playbook;
}
