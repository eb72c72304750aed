/** Changes of single playbooks: recorded, called helpful or harmful, forgotten. */
import type { CallContext, InputOf } from "../../../runtime/contract/contract.ts";
import { fail } from "../../../runtime/errors/errors.ts";
import { type Clock, timestamp } from "../../../runtime/scheduling/scheduling.ts";
import type { Matrixd } from "../contract.ts";
import type { Corpora } from "../corpora/corpora.ts";
import { likeOf } from "./likeness.ts";
import { merged, recorded } from "./merge.ts";
import { answerKey, type PlaybookEntry, type PlaybookFields } from "./state.ts";
import type { PlaybookStore } from "./store.ts";
import type { PlaybookTraces } from "./traces.ts";
import type { WordingVectors } from "./wordings.ts";

/** Score of an answer recorded without one: that it is recorded says that it was right. */
const scoreDefault = 1;

interface RecordingParts {
  store: PlaybookStore;
  vectors: WordingVectors;
  traces: PlaybookTraces;
  corpora: Pick<Corpora, "hold">;
  clock: Clock;
  newId: () => string;
  settings: { max_playbooks: number };
}

type Recording = InputOf<Matrixd["endpoints"]["record"]>;
interface Recorded {
  playbook: PlaybookFields;
  /** Whether it strengthened one that was there. */
  merged: boolean;
}
type Context = Pick<CallContext, "signal" | "operation">;

/**
 * Remembers an answer, or strengthens the playbook that says the same. Throws `not_found` when the corpus, its row or a
 * live trace of this uid is not there, `too_many_requests` when there are as many playbooks as may be.
 */
export async function record(
  parts: RecordingParts,
  input: Recording,
  { signal, operation }: Context,
): Promise<Recorded> {
  const { store, vectors, clock, newId } = parts;
  const query_text = input.query_text.trim();
  if (query_text === "")
    throw fail("invalid_field", "query_text: expected the words of a question, got only spaces");
  const model = await modelOfAnswer(parts, input);
  await checkTrace(parts, input.trace_uid, signal);
  return store.change<Recorded>(
    answerKey(input),
    async () => {
      const at = timestamp(clock);
      const { score = scoreDefault, tags = [], note } = input;
      const alike = store.state.alike(input);
      const same = await likeOf(vectors, { text: query_text }, alike, { model, signal });
      if (same) {
        const evidence = recorded({ query_text, score, tags, note }, at);
        const playbook = merged(same.playbook, evidence, at);
        return { change: { put: [playbook], gone: [] }, result: { playbook, merged: true } };
      }
      checkRoom(parts);
      const { corpus, answer_id, trace_uid } = input;
      const playbook: PlaybookFields = {
        playbook_id: newId(),
        query_text,
        answer_id,
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
      return { change: { put: [playbook], gone: [] }, result: { playbook, merged: false } };
    },
    operation,
  );
}

/** The model of the corpus, once its row is found. */
async function modelOfAnswer({ corpora }: RecordingParts, { corpus, answer_id }: Recording): Promise<string> {
  const held = corpora.hold(corpus);
  try {
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
  { traces }: RecordingParts,
  uid: string | undefined,
  signal: AbortSignal,
): Promise<void> {
  if (uid === undefined || (await traces.isAlive(uid, signal))) return;
  throw fail("not_found", `trace_uid: there is no trace '${uid}', or it was retired or superseded`);
}

function checkRoom({ store, settings: { max_playbooks } }: RecordingParts): void {
  if (store.state.size() < max_playbooks) return;
  throw fail(
    "too_many_requests",
    `there are ${store.state.size()} playbooks, and max_playbooks is ${max_playbooks}: forget or consolidate some`,
    { retryAfterSeconds: 60 },
  );
}

/** Counts feedback. What helps is confirmed, and fades from now on; what misleads fades as it did. */
export function countFeedback(
  { store, clock }: RecordingParts,
  id: string,
  feedback: "helpful" | "harmful",
  { operation }: Pick<CallContext, "operation">,
): Promise<PlaybookFields> {
  return store.change(
    answerKey(found(store, id).playbook),
    async () => {
      const { playbook: before } = found(store, id);
      const at = timestamp(clock);
      const confirmed = feedback === "helpful" && { confirmed_at: at };
      const playbook = { ...before, [feedback]: before[feedback] + 1, updated_at: at, ...confirmed };
      return { change: { put: [playbook], gone: [] }, result: playbook };
    },
    operation,
  );
}

export function forget(
  { store }: RecordingParts,
  id: string,
  { operation }: Pick<CallContext, "operation">,
): Promise<{ playbook_id: string }> {
  return store.change(
    answerKey(found(store, id).playbook),
    async () => {
      found(store, id);
      return { change: { put: [], gone: [id] }, result: { playbook_id: id } };
    },
    operation,
  );
}

/** Throws `not_found`. */
export function found(store: Pick<PlaybookStore, "state">, id: string): PlaybookEntry {
  const entry = store.state.get(id);
  if (entry) return entry;
  throw fail("not_found", `there is no playbook '${id}'; it may have been merged or forgotten`);
}
