/**
 * The operations as a table of SQL: queryd says when a statement reads them, and is sent the files of the log that it does
 * not have yet, as Parquet. Nothing is kept for it here.
 */
import { Mutex } from "async-mutex";
import type { ClientOf } from "../../../runtime/contract/contract.ts";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import { describe, type Log } from "../../../runtime/telemetry/telemetry.ts";
import type { Queryd } from "../../queryd/contract.ts";
import type { Operation } from "../contract.ts";
import type { LogFile, OperationsStore } from "../operations/operations.ts";
import { encodeRows } from "./rows.ts";

export { createStatistics } from "./statistics.ts";

export interface OfferedOperations {
  /** Takes back what was sent: the next statement has it sent anew. Throws where queryd does not answer. */
  takeBack: () => Promise<void>;
  stop: () => Promise<void>;
}

/** How long queryd is asked to hold a question, in milliseconds, and what it may take beyond. */
const pollMs = 20_000;
const pollSlackMs = 5_000;
/** Wait after a question that failed: queryd is away, or starts. */
const retryMs = 1_000;
/** Of one Parquet file: what is encoded at a time is held in memory, and holds the thread. */
const fileRowsMax = 10_000;
const fileBytesMax = 4 * 1024 * 1024;

interface Parts {
  verbs: Pick<ClientOf<Queryd>, "wanted" | "offered" | "part">;
  clock: Clock;
  log: Log;
  /** Takes what others have to report first. */
  catchUp: () => Promise<void>;
}

/** Answers queryd's questions until it is stopped. */
export function offerOperations(
  store: Pick<OperationsStore, "logFiles">,
  { verbs, clock, log, catchUp }: Parts,
): OfferedOperations {
  const stopped = new AbortController();
  const { signal } = stopped;
  /** What is sent may not be taken back while it is on its way. */
  const mutex = new Mutex();
  const serve = async (ticket: number) => {
    await catchUp();
    const files = await store.logFiles();
    const offer = { ticket, parts: files.map(({ id }) => id) };
    const { missing } = await verbs.offered(offer, { signal });
    if (missing.length === 0) return;
    for (const file of files) if (missing.includes(file.id)) await send(verbs, file, signal);
    await verbs.offered(offer, { signal });
  };
  const follow = async () => {
    while (!signal.aborted) {
      try {
        const asked = { wait_ms: pollMs };
        const { ticket } = await verbs.wanted(asked, { timeoutMs: pollMs + pollSlackMs, signal });
        if (ticket !== undefined) await mutex.runExclusive(() => serve(ticket));
      } catch (cause) {
        if (signal.aborted) return;
        log.debug("queryd does not take the operations", describe(cause));
        await clock.sleep(retryMs, signal).catch(() => undefined);
      }
    }
  };
  const following = follow();
  return {
    takeBack: () => mutex.runExclusive(async () => void (await verbs.offered({ ticket: 0, parts: [] }))),
    stop: async () => {
      stopped.abort(new Error("the service is stopping"));
      await following;
    },
  };
}

async function send(verbs: Parts["verbs"], { id, operations }: LogFile, signal: AbortSignal): Promise<void> {
  let index = 0;
  let rows: Operation[] = [];
  let bytes = 0;
  const flush = async (last: boolean) => {
    const file = { id, index, bytes: encodeRows(rows), rows: rows.length, last };
    index += 1;
    rows = [];
    bytes = 0;
    await verbs.part(file, { signal });
  };
  for await (const { operation, size } of operations()) {
    rows.push(operation);
    bytes += size;
    if (rows.length >= fileRowsMax || bytes >= fileBytesMax) await flush(false);
  }
  await flush(true);
}
