/**
 * Playbooks on disk: a log of changes, each the whole playbook after it. A change is in memory only when it is on
 * stable storage. Changes of one answer come one after another; those of others share an fsync.
 */
import { join } from "node:path";
import { fail } from "../../../runtime/errors/errors.ts";
import type { Idempotency, Operation } from "../../../runtime/idempotency/idempotency.ts";
import {
  type LineLog,
  type LogReport,
  type MarkKeeping,
  openLineLog,
} from "../../../runtime/line-log/line-log.ts";
import type { MemoryBudget } from "../../../runtime/memory/memory.ts";
import { createKeyedMutex } from "../../../runtime/scheduling/scheduling.ts";
import { describe, type Log } from "../../../runtime/telemetry/telemetry.ts";
import {
  createPlaybookState,
  type PlaybookChange,
  type PlaybookFields,
  type PlaybookState,
} from "./state.ts";

/** Records beyond those that live before the log is written anew: a start replays at most about twice what lives. */
const compactAboveRecords = 1000;

/** Memory of a byte of the log: a playbook of some 600 bytes, its indexes, and the vector of its wording. */
const memoryPerByte = 8;

/** Changes that may wait at one answer. */
const waitingMax = 256;
const refusal = () =>
  fail("too_many_requests", `${waitingMax} changes of this answer's playbooks are waiting`, {
    retryAfterSeconds: 1,
  });

export interface PlaybookStore {
  state: Omit<PlaybookState, "apply">;
  /** Runs `plan` when no other change of the answers is under way, and stores what it gives before it resolves. */
  change: <R>(
    answers: readonly string[],
    plan: () => Promise<Planned<R>>,
    operation?: Operation,
  ) => Promise<R>;
  /** What was found damaged; empty when nothing was, or when it was accepted. */
  problems: () => string[];
  atRest: LineLog<PlaybookChange>["atRest"];
  /** Writes the log anew; damaged lines are set aside in `playbooks.log.damaged`. Rejects when the log cannot be written. */
  acceptDamage: () => Promise<void>;
  /** Those that are meant go from every byte; gives how many. */
  erase: (isMeant: (playbook: PlaybookFields) => boolean) => Promise<number>;
  close: () => Promise<void>;
}

type KeyEnds = Pick<Idempotency, "found" | "settled">;

interface Planned<R> {
  change?: PlaybookChange;
  result: R;
}

export const playbooksName = "playbooks.log";
export const playbooksFormat = { format: "lakehouse.playbooks", version: 1 } as const;

/** Opens `<directory>/playbooks.log`. Throws `corrupt` when it is another format, a newer version, or not what was acknowledged. */
export async function openPlaybookStore(given: StoreOptions, budget?: MemoryBudget): Promise<PlaybookStore> {
  const { log, idempotency } = given;
  const { state, file } = await openLog(given, budget);
  let problems = problemsOf(file.report);
  let records = file.report.records;
  let compactAt = 2 * state.size() + compactAboveRecords;
  let writing = 0;
  let compaction: { done: Promise<void>; begin: () => void } | undefined;

  const rewrite = async (how: "rewrite" | "forget") => {
    try {
      // Records are written without the operations that made them: their ends must be known by then.
      await idempotency?.settled();
      const living = [...state.all()].map(({ playbook }) => ({ put: [playbook], gone: [] }));
      await file[how](living);
      records = state.size();
    } finally {
      compactAt = Math.max(records, 2 * state.size()) + compactAboveRecords;
      compaction = undefined;
    }
  };
  /** Begins when nothing is being written, so that what the new log holds is exactly what memory holds. */
  const compact = (how: "rewrite" | "forget" = "rewrite"): Promise<void> => {
    if (compaction) return compaction.done;
    const { promise: idle, resolve: begin } = Promise.withResolvers<void>();
    const done = idle.then(() => rewrite(how));
    compaction = { done, begin };
    beginWhenIdle();
    return done;
  };
  const beginWhenIdle = () => {
    if (writing === 0) compaction?.begin();
  };
  const write = async (change: PlaybookChange) => {
    // Nothing may come between the look and the count: an append that a compaction does not see would be lost.
    while (compaction) await compaction.done.catch(() => undefined);
    writing += 1;
    try {
      // Forgetting and merging must go on where nothing more fits.
      await file.append(change, { always: change.gone.length >= change.put.length });
      state.apply(change);
      records += 1;
    } finally {
      writing -= 1;
      if (records > compactAt)
        compact().catch((cause) => log.warn("playbooks: the log could not be compacted", describe(cause)));
      beginWhenIdle();
    }
  };
  const exclusively = createKeyedMutex({ waitingMax, refusal });
  return {
    state,
    change: (answers, plan, operation) =>
      inAll(exclusively, [...new Set(answers)].sort(), async () => {
        const { change, result } = await plan();
        if (change) await write(operation ? { ...change, op: operation.id } : change);
        return result;
      }),
    problems: () => problems,
    atRest: file.atRest,
    acceptDamage: async () => {
      await compact();
      problems = [];
    },
    erase: async (isMeant) => {
      const gone = [...state.all()].flatMap(({ playbook }) =>
        isMeant(playbook) ? playbook.playbook_id : [],
      );
      if (gone.length > 0) await write({ put: [], gone });
      while (compaction) await compaction.done.catch(() => undefined);
      await compact("forget");
      problems = [];
      return gone.length;
    },
    close: async () => {
      while (compaction) await compaction.done.catch(() => undefined);
      await file.close();
    },
  };
}

/** Takes the locks one after another, in one order for all: two changes never wait for each other. */
const inAll = <R>(
  exclusively: (key: string, work: () => Promise<R>) => Promise<R>,
  [first, ...rest]: readonly string[],
  work: () => Promise<R>,
): Promise<R> => (first === undefined ? work() : exclusively(first, () => inAll(exclusively, rest, work)));

type StoreOptions = MarkKeeping & { directory: string; log: Log; idempotency?: KeyEnds };

async function openLog(
  { directory, log, idempotency, marks, adopted }: StoreOptions,
  budget: MemoryBudget | undefined,
): Promise<{ state: PlaybookState; file: LineLog<PlaybookChange> }> {
  const state = createPlaybookState();
  const file = await openLineLog<PlaybookChange>({
    path: join(directory, playbooksName),
    ...playbooksFormat,
    kept: { marks, adopted },
    replay: (change) => {
      state.apply(change);
      idempotency?.found(change.op, () => change);
    },
    ...(budget && { memory: { budget, perByte: memoryPerByte } }),
  });
  for (const problem of problemsOf(file.report)) log.warn("playbooks damaged", { problem });
  if (file.report.torn) log.warn("playbooks: an unfinished last line was cut off", { ...file.report.torn });
  return { state, file };
}

const problemsOf = ({ damaged, damagedCount }: LogReport): string[] => {
  const [first] = damaged;
  if (!first) return [];
  const lines = damagedCount === 1 ? "a line" : `${damagedCount} lines`;
  return [
    `matrixd/playbooks.log: ${lines} damaged (${first.reason}), the first at byte ${first.offset}; the rest is served`,
  ];
};
