/** The playbooks in memory, and the records that make them: what the log holds is replayed through `apply`. */
import type { Playbook } from "../schemas/schemas.ts";
import { plainText } from "./merge.ts";

export type PlaybookFields = Readonly<Playbook>;

/** One change. A merge is one record, so that a crash leaves it whole or not at all. */
export interface PlaybookChange {
  /** As they are after the change. */
  put: PlaybookFields[];
  gone: string[];
  /** Of the request with an Idempotency-Key that made it. */
  op?: string;
}

/** One way to ask. The object is the key under which its vectors are kept, so it lives as long as its playbook has it. */
export interface Wording {
  readonly text: string;
}

export interface PlaybookEntry {
  readonly playbook: PlaybookFields;
  /** The query first, then the aliases. */
  readonly wordings: readonly Wording[];
}

export interface PlaybookState {
  apply: (change: PlaybookChange) => void;
  get: (id: string) => PlaybookEntry | undefined;
  /** Those that say the same answer for the same trace: only such can be merged. */
  alike: (like: Saying) => PlaybookEntry[];
  ofCorpus: (corpus: string) => Iterable<PlaybookEntry>;
  all: () => Iterable<PlaybookEntry>;
  size: () => number;
}

type Answering = Pick<PlaybookFields, "corpus" | "answer_id" | "trace_uid">;
type Saying = Answering & Pick<PlaybookFields, "note">;

/**
 * What playbooks must share to be one. The trace belongs to it: a playbook is retired with its trace, and what another
 * trace taught must stay.
 */
export const answerKey = ({ corpus, answer_id, trace_uid }: Answering): string =>
  JSON.stringify([corpus, answer_id ?? null, trace_uid ?? null]);

/** The same for those without an answer: they say the same when their notes do. */
export const sayingKey = (playbook: Saying): string =>
  playbook.answer_id === undefined
    ? JSON.stringify([answerKey(playbook), plainText(playbook.note ?? "")])
    : answerKey(playbook);

export function createPlaybookState(): PlaybookState {
  const byId = new Map<string, PlaybookEntry>();
  const byCorpus = new Map<string, Set<PlaybookEntry>>();
  const byAnswer = new Map<string, Set<PlaybookEntry>>();

  const remove = (id: string) => {
    const entry = byId.get(id);
    if (!entry) return;
    byId.delete(id);
    leave(byCorpus, entry.playbook.corpus, entry);
    leave(byAnswer, answerKey(entry.playbook), entry);
  };
  const put = (playbook: PlaybookFields) => {
    const before = byId.get(playbook.playbook_id)?.wordings ?? [];
    remove(playbook.playbook_id);
    const texts = [playbook.query_text, ...(playbook.aliases ?? [])];
    const wordings = texts.map((text) => before.find((known) => known.text === text) ?? { text });
    const entry = { playbook, wordings };
    byId.set(playbook.playbook_id, entry);
    join(byCorpus, playbook.corpus, entry);
    join(byAnswer, answerKey(playbook), entry);
  };
  return {
    apply: (change) => {
      change.gone.forEach(remove);
      change.put.forEach(put);
    },
    get: (id) => byId.get(id),
    alike: (like) =>
      [...(byAnswer.get(answerKey(like)) ?? [])].filter(
        ({ playbook }) => sayingKey(playbook) === sayingKey(like),
      ),
    ofCorpus: (corpus) => byCorpus.get(corpus)?.values() ?? [],
    all: () => byId.values(),
    size: () => byId.size,
  };
}

function join<T>(sets: Map<string, Set<T>>, key: string, item: T): void {
  const set = sets.get(key) ?? new Set();
  set.add(item);
  sets.set(key, set);
}

function leave<T>(sets: Map<string, Set<T>>, key: string, item: T): void {
  const set = sets.get(key);
  set?.delete(item);
  if (set?.size === 0) sets.delete(key);
}
