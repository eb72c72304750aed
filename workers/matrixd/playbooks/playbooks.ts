/** Playbooks: what worked before, kept on disk, matched to queries, counted, merged and let go. */
import type { Config } from "../../../runtime/config/config.ts";
import type { ClientOf, Subject, VerbsOf } from "../../../runtime/contract/contract.ts";
import { ServiceError } from "../../../runtime/errors/errors.ts";
import { type Idempotency, unlessFound } from "../../../runtime/idempotency/idempotency.ts";
import { logDamageOf, type MarkKeeping } from "../../../runtime/line-log/line-log.ts";
import { createMemoryBudget } from "../../../runtime/memory/memory.ts";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import { describe, type Log, type Metrics } from "../../../runtime/telemetry/telemetry.ts";
import type { Embedd } from "../../embedd/contract.ts";
import type { Pathwayd } from "../../pathwayd/contract.ts";
import type { Matrixd } from "../contract.ts";
import type { Corpora } from "../corpora/corpora.ts";
import { countFeedback, delta, deltaReply, edit, forget, record } from "./changes.ts";
import { createConsolidation } from "./consolidation.ts";
import { createPlaybookMatches, type PlaybookMatches } from "./matching.ts";
import { pageOf } from "./pages.ts";
import { found } from "./recording.ts";
import type { PlaybookChange, PlaybookFields } from "./state.ts";
import { openPlaybookStore, type PlaybookStore } from "./store.ts";
import { createPlaybookTraces } from "./traces.ts";
import { createWordingVectors } from "./wordings.ts";

export type { PlaybookMatch, PlaybookMatches } from "./matching.ts";
export type { PlaybookEntry } from "./state.ts";
export { playbooksFormat, playbooksName } from "./store.ts";

interface PlaybookParts extends MarkKeeping {
  directory: string;
  clock: Clock;
  log: Log;
  metrics: Metrics;
  newId: () => string;
  idempotency: Pick<Idempotency, "found" | "settled">;
  settings: Config["matrixd"];
  embedd: Pick<ClientOf<Embedd>, "vectorsOf">;
  pathwayd: Pick<ClientOf<Pathwayd>, "alive">;
  corpora: Pick<Corpora, "hold">;
}

type PlaybookVerbs = Pick<
  VerbsOf<Matrixd>,
  | "record"
  | "playbooks"
  | "playbook"
  | "edit"
  | "delta"
  | "helpful"
  | "harmful"
  | "forget"
  | "consolidate"
  | "playbooksSince"
>;

export interface Playbooks {
  verbs: PlaybookVerbs;
  matches: PlaybookMatches;
  atRest: PlaybookStore["atRest"];
  all: PlaybookStore["state"]["all"];
  /** Those that name a subject go, or are only counted; gives how many. */
  erase: (subject: Pick<Subject, "isMentioned">, dryRun: boolean) => Promise<number>;
  /** What is damaged, for readiness. */
  problems: () => string[];
  close: () => Promise<void>;
}

/** Of the machine's memory, for playbooks, unless a setting says how much. */
const memoryShare = 1 / 16;

/**
 * Opens the playbooks of `<directory>/playbooks.log`; those that do not fit into memory, or are not what was
 * acknowledged, stay closed, and all else goes on. Throws `corrupt` when the log is another format or newer.
 */
export async function openPlaybooks(given: PlaybookParts): Promise<Playbooks> {
  const budget = createMemoryBudget({
    limit: given.settings.max_memory_bytes,
    share: memoryShare,
    setting: "matrixd.max_memory_bytes",
    advice: "forget or consolidate playbooks",
    metrics: given.metrics,
  });
  try {
    return await openAll(given, await openPlaybookStore(given, budget));
  } catch (cause) {
    if (!(cause instanceof ServiceError) || !(cause.type === "memory_full" || logDamageOf(cause)))
      throw cause;
    given.log.error("the playbooks stay closed", describe(cause));
    return closedPlaybooks(cause);
  }
}

/** Refuses everything with the reason. */
function closedPlaybooks(why: ServiceError): Playbooks {
  const refuse = () => Promise.reject(why);
  const verbs = {
    record: refuse,
    playbooks: refuse,
    playbook: refuse,
    edit: refuse,
    delta: refuse,
    helpful: refuse,
    harmful: refuse,
    forget: refuse,
    consolidate: refuse,
    playbooksSince: refuse,
  };
  return {
    verbs,
    erase: refuse,
    matches: { match: refuse },
    atRest: refuse,
    all: () => {
      throw why;
    },
    problems: () => [why.message],
    close: async () => {},
  };
}

async function openAll(given: PlaybookParts, store: PlaybookStore): Promise<Playbooks> {
  const stop = new AbortController();
  const vectors = createWordingVectors({ ...given, stopped: stop.signal });
  const traces = createPlaybookTraces(given.pathwayd, given.log);
  const parts = { ...given, store, vectors, traces };
  given.metrics.gauge("matrixd_playbooks", "Playbooks kept.", () => store.state.size());
  return {
    verbs: playbookVerbs(parts),
    matches: createPlaybookMatches(parts),
    atRest: store.atRest,
    all: store.state.all,
    erase: async ({ isMentioned }, dryRun) => {
      const isMeant = (playbook: PlaybookFields) => isMentioned(Object.values(playbook));
      if (!dryRun) return store.erase(isMeant);
      return [...store.state.all()].filter(({ playbook }) => isMeant(playbook)).length;
    },
    problems: store.problems,
    close: () => {
      stop.abort();
      return store.close();
    },
  };
}

/** What the start found of a request that was carried out: its whole change. */
type Found = PlaybookChange & { put: [PlaybookFields]; gone: [string] };
const changed = ({ put: [playbook] }: Found) => playbook;

type Opened = PlaybookParts & {
  store: Awaited<ReturnType<typeof openPlaybookStore>>;
  vectors: ReturnType<typeof createWordingVectors>;
  traces: ReturnType<typeof createPlaybookTraces>;
};

function playbookVerbs(parts: Opened): PlaybookVerbs {
  const { store, traces } = parts;
  const consolidate = createConsolidation(parts);
  return {
    record: unlessFound(
      (input, context) => record(parts, input, context),
      ({ put: [playbook] }: Found) => ({ playbook, merged: playbook.created_at !== playbook.updated_at }),
    ),
    playbooks: (input, { signal }) => pageOf(parts, input, signal),
    playbook: async ({ playbook_id }) => found(store, playbook_id).playbook,
    edit: unlessFound((input, context) => edit(parts, input, context), changed),
    delta: unlessFound(({ changes }, context) => delta(parts, changes, context), deltaReply),
    helpful: unlessFound(
      ({ playbook_id: id }, context) => countFeedback(parts, { kind: "helpful", id }, context),
      changed,
    ),
    harmful: unlessFound(
      ({ playbook_id: id }, context) => countFeedback(parts, { kind: "harmful", id }, context),
      changed,
    ),
    forget: unlessFound(
      ({ playbook_id }, context) => forget(parts, playbook_id, context),
      ({ gone: [playbook_id] }: Found) => ({ playbook_id }),
    ),
    consolidate: async ({ dry_run: dryRun = false, accept_damage = false }, { signal }) => {
      if (accept_damage && !dryRun) await store.acceptDamage();
      return consolidate({ dryRun, signal });
    },
    playbooksSince: async ({ since, until }, { signal }) => {
      const from = since === undefined ? Number.NEGATIVE_INFINITY : Date.parse(since);
      const to = until === undefined ? Number.POSITIVE_INFINITY : Date.parse(until);
      const changed = [...store.state.all()].filter(({ playbook }) => {
        const at = Date.parse(playbook.updated_at);
        return from <= at && at < to;
      });
      const living = await traces.alive(changed, { signal });
      return {
        playbooks: living.map(({ playbook }) => playbook),
        retired: changed.length - living.length,
      };
    },
  };
}
