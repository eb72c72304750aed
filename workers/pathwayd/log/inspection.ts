/** The log for operators: a backup takes its first bytes, an inspection reads it line by line. */
import { join } from "node:path";
import { check } from "../../../runtime/contract/contract.ts";
import { type Durable, holdFiles } from "../../../runtime/durable/durable.ts";
import {
  closedLog,
  damage,
  inspectLineLog,
  logDamageOf,
  openToInspect,
} from "../../../runtime/line-log/line-log.ts";
import {
  countOf,
  createSequences,
  describeRanges,
  fromSteps,
  LogRecord,
  logFormat,
} from "../traces/traces.ts";
import { logName, type Store } from "./store.ts";

const remedy =
  "POST /v1/pathway/compact: it writes the log anew from memory. What /readyz calls damaged or lost is not in memory either: to have it back, restore pathwayd from a backup first";

/** Everything else is rebuilt from the log at the start. `opened` throws while it is being read. */
export function durableLog(directory: string, opened: () => Pick<Store, "atRest">): Durable {
  return {
    snapshot: async () => opened().atRest(() => holdFiles(directory, [logName, `${logName}.damaged`])),
    inspect: async function* (signal) {
      let log: ReturnType<typeof opened>;
      try {
        log = opened();
      } catch (cause) {
        const refused = logDamageOf(cause);
        if (!refused) throw cause;
        yield closedLog(refused);
        return;
      }
      const seen = createSequences();
      yield* inspectLineLog<LogRecord>({
        directory,
        file: logName,
        service: "pathwayd",
        ...logFormat,
        opened: await log.atRest((state) => openToInspect(join(directory, logName), state)),
        check: (record) => mark(seen, check(LogRecord, record, "a record")),
        remedy: () => remedy,
        signal,
      });
      const missing = seen.missing();
      if (missing.length === 0) return;
      const changes = `${countOf(missing)} changes stand in no line of it (sequence ${describeRanges(missing)})`;
      yield damage(`pathwayd/${logName}`, changes, remedy);
    },
  };
}

function mark(seen: ReturnType<typeof createSequences>, record: LogRecord): void {
  if (record.kind === "replays") for (const sequence of fromSteps(record.seqs)) seen.mark(sequence);
  else if (record.kind === "erased")
    for (const sequence of [record.seq, ...fromSteps(record.seqs)]) seen.mark(sequence);
  else if (record.kind === "lost")
    for (const [from, to] of record.ranges) for (let at = from; at <= to; at++) seen.mark(at);
  else seen.mark(record.seq);
}
