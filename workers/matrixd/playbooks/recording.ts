/** A recording as a playbook: a new one, or one that says the same and is strengthened. */
import { fail, invalidField } from "../../../runtime/errors/errors.ts";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import type { Corpora } from "../corpora/corpora.ts";
import type { Recording } from "../schemas/schemas.ts";
import { likeOf } from "./likeness.ts";
import { merged, recorded } from "./merge.ts";
import type { PlaybookEntry, PlaybookFields } from "./state.ts";
import type { PlaybookStore } from "./store.ts";
import type { PlaybookTraces } from "./traces.ts";
import type { WordingVectors } from "./wordings.ts";

/** Score of an answer recorded without one: that it is recorded says that it was right. */
const scoreDefault = 1;

export interface RecordingParts {
  store: PlaybookStore;
  vectors: WordingVectors;
  traces: PlaybookTraces;
  corpora: Pick<Corpora, "hold">;
  clock: Clock;
  newId: () => string;
  settings: { max_playbooks: number };
}

/** A recording whose corpus, row and trace were found. */
export interface Checked {
  input: Recording;
  /** Of the corpus. */
  model: string;
}

/**
 * Throws `not_found` when the corpus, its row or a live trace of this uid is not there, `invalid_field` for one that says
 * neither answer nor note.
 */
export async function checkRecording(
  parts: Pick<RecordingParts, "corpora" | "traces">,
  given: Recording,
  signal: AbortSignal,
): Promise<Checked> {
  const input = { ...given, query_text: wordsOf(given.query_text) };
  if (input.answer_id === undefined && (input.note ?? "").trim() === "")
    throw invalidField("note", "expected a note, or the answer_id of the row that answered");
  const model = await modelOfAnswer(parts, input);
  await checkTrace(parts, input.trace_uid, signal);
  return { input, model };
}

/** Throws `invalid_field` when there are none. */
export function wordsOf(text: string): string {
  const words = text.trim();
  if (words !== "") return words;
  throw fail("invalid_field", "query_text: expected the words of a question, got only spaces");
}

/** What has been said of a playbook already. */
interface Known {
  /** Those that say the same. */
  alike: readonly PlaybookEntry[];
  /** As it is by now. */
  current: (entry: PlaybookEntry) => PlaybookFields;
}

/** The playbook after the recording, and whether it was there. Rejects with embedd's error. */
export async function recordedPlaybook(
  { vectors, newId }: Pick<RecordingParts, "vectors" | "newId">,
  { input, model }: Checked,
  { alike, current }: Known,
  { at, signal }: { at: string; signal: AbortSignal },
): Promise<{ playbook: PlaybookFields; merged: boolean }> {
  const { query_text, corpus, answer_id, trace_uid, score = scoreDefault, tags = [], note } = input;
  const same = await likeOf(vectors, { text: query_text }, alike, { model, signal });
  if (same)
    return {
      playbook: merged(current(same), recorded({ query_text, score, tags, note }, at), at),
      merged: true,
    };
  const playbook: PlaybookFields = {
    playbook_id: newId(),
    query_text,
    ...(answer_id !== undefined && { answer_id }),
    corpus,
    score,
    tags,
    ...(trace_uid !== undefined && { trace_uid }),
    ...(note !== undefined && { note }),
    helpful: 0,
    harmful: 0,
    created_at: at,
    updated_at: at,
    confirmed_at: at,
  };
  return { playbook, merged: false };
}

/** The model of the corpus, once the row, where there is one, is found. */
async function modelOfAnswer(
  { corpora }: Pick<RecordingParts, "corpora">,
  { corpus, answer_id }: Recording,
): Promise<string> {
  const held = corpora.hold(corpus);
  try {
    if (answer_id === undefined) return held.model;
    const [number] = await held.numbersOf([answer_id]);
    if (number === undefined)
      throw fail(
        "not_found",
        `answer_id: corpus '${corpus}' has no row with id '${answer_id}' in its column '${held.info.id_column}'`,
      );
    return held.model;
  } finally {
    held.release();
  }
}

async function checkTrace(
  { traces }: Pick<RecordingParts, "traces">,
  uid: string | undefined,
  signal: AbortSignal,
): Promise<void> {
  if (uid === undefined || (await traces.isAlive(uid, signal))) return;
  throw fail("not_found", `trace_uid: there is no trace '${uid}', or it was retired or superseded`);
}

/** Throws `too_many_requests` when so many more are too many. */
export function checkRoom(
  { store, settings: { max_playbooks } }: Pick<RecordingParts, "store" | "settings">,
  more: number,
): void {
  if (store.state.size() + more <= max_playbooks) return;
  throw fail(
    "too_many_requests",
    `there are ${store.state.size()} playbooks, and max_playbooks is ${max_playbooks}: forget or consolidate some`,
    { retryAfterSeconds: 60 },
  );
}

/** Throws `not_found`. */
export function found(store: Pick<PlaybookStore, "state">, id: string): PlaybookEntry {
  const entry = store.state.get(id);
  if (entry) return entry;
  throw noPlaybook(id);
}

export const noPlaybook = (id: string) =>
  fail("not_found", `there is no playbook '${id}'; it may have been merged or forgotten`);
