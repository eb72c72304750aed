/** Operations: checked, appended to the log, then in ring, statistics and clusters. */
import type { Deps } from "../../../runtime/service/service.ts";
import { describe } from "../../../runtime/telemetry/telemetry.ts";
import type { Operation } from "../contract.ts";
import { type EventInput, inUtc, operationOf } from "./intake.ts";
import type { Line, Marks } from "./line.ts";
import { type OperationsLog, openOperationsLog } from "./log.ts";
import { createState, type State } from "./state.ts";

export interface Operations {
  /** `id` is that of the first, where it has one already. Resolves when all are in the log; they are in the ring, the statistics and the clusters then. In order. */
  record: (events: readonly EventInput[], id?: string) => Promise<Operation[]>;
  /** The operations in the ring, oldest first. */
  recent: () => readonly Operation[];
  /** All operations of the log that began in this time, oldest first as recorded; reads the disk. */
  recorded: (span: { since?: string | undefined; until?: string | undefined }) => AsyncIterable<Operation>;
  /** Called with each operation after it was recorded. */
  onRecorded: (listener: (operation: Operation) => void) => void;
}

/** What a follower read from its source: an event or nothing, and its new position. */
export interface MarkedEvent {
  event?: EventInput;
  marks: Marks;
}

export interface OperationsStore extends Operations {
  state: State;
  /** Records each with its mark, in one line: after a crash both are there or neither. In order. */
  recordMarked: (events: readonly MarkedEvent[]) => Promise<void>;
  /** Resolves when the lines, which are no operations, are on stable storage and applied. */
  appendLines: (lines: readonly Line[]) => Promise<void>;
  atRest: OperationsLog["atRest"];
  /** Damage of the log, for `/readyz`. */
  problems: () => string[];
  reportDamage: OperationsLog["reportDamage"];
  incomplete: OperationsLog["incomplete"];
  logFiles: OperationsLog["logFiles"];
  files: () => number;
  erase: OperationsLog["erase"];
  close: () => Promise<void>;
}

/** Opens the log in the service's directory and restores the state. */
export async function openOperations({
  config,
  clock,
  newId,
  directory,
  marks,
  adopted,
  log: journal,
}: Pick<
  Deps,
  "config" | "clock" | "newId" | "directory" | "marks" | "adopted" | "log"
>): Promise<OperationsStore> {
  const section = config.observerd;
  const state = createState(section);
  const listeners: ((operation: Operation) => void)[] = [];
  const notify = (operation: Operation) => {
    for (const listener of listeners) {
      try {
        listener(operation);
      } catch (cause) {
        journal.error("a listener to operations failed", describe(cause));
      }
    }
  };
  const log = await openOperationsLog({
    directory,
    kept: { marks, adopted },
    state,
    log: journal,
    segmentBytes: section.segment_bytes,
    retainedBytes: section.retained_bytes,
    ringOperations: section.ring_operations,
    onApplied: ({ operation }) => operation && notify(operation),
  });
  const made = (event: EventInput, id = newId()): Operation =>
    operationOf(event, { id, nowMs: clock.now(), bytesMax: section.max_event_bytes });

  return {
    state,
    record: async (events, id) => {
      const operations = events.map((each, at) => made(each, at === 0 ? id : undefined));
      await log.append(operations.map((operation) => ({ operation })));
      return operations;
    },
    recordMarked: (events) =>
      log.append(events.map(({ event, marks }) => ({ ...(event && { operation: made(event) }), marks }))),
    appendLines: log.append,
    recent: state.ring.operations,
    recorded: async function* ({ since, until }) {
      const from = since === undefined ? "" : inUtc(since, "since");
      const to = until === undefined ? undefined : inUtc(until, "until");
      for await (const { operation } of log.lines()) {
        if (!operation || operation.timestamp < from) continue;
        if (to === undefined || operation.timestamp < to) yield operation;
      }
    },
    onRecorded: (listener) => listeners.push(listener),
    atRest: log.atRest,
    problems: log.problems,
    reportDamage: log.reportDamage,
    incomplete: log.incomplete,
    logFiles: log.logFiles,
    files: log.files,
    erase: log.erase,
    close: log.close,
  };
}
