/** What is kept of every operation: counters, and the journal of failures. */
import { ServiceError, toWire } from "../../../runtime/errors/errors.ts";
import { type Clock, timestamp } from "../../../runtime/scheduling/scheduling.ts";
import { describe, type Log, type Metrics } from "../../../runtime/telemetry/telemetry.ts";
import type { ErrorJournal } from "./journal.ts";

export { decodeLine, type ErrorJournal, linesBackwards, openErrorJournal } from "./journal.ts";

// Every operation is counted; a failure also gets a line in the error journal.

/** The operation and what it is about, as the caller named it. */
export interface Operation {
  operation: string;
  bucket: string;
  key: string;
  requestId: string;
  /** Outcomes that are no failure for this caller, such as `not_found` for a service that checks first. */
  expected?: readonly string[];
}

export interface Operations {
  /** Runs the work; counts its outcome; a failure is in the journal before it is passed on. */
  run: <T>(operation: Operation, work: () => Promise<T>) => Promise<T>;
  /** Records a failure that came after the answer had begun. */
  failed: (operation: Operation, error: unknown) => Promise<void>;
  received: (bytes: number) => void;
  sent: (bytes: number) => void;
}

export function createOperations(deps: {
  metrics: Metrics;
  journal: ErrorJournal;
  clock: Clock;
  log: Log;
}): Operations {
  const { metrics, journal, clock, log } = deps;
  const outcomes = metrics.counter("storaged_operations_total", "Operations by kind and outcome.");
  const bytesIn = metrics.counter("storaged_received_bytes_total", "Bytes of object bodies received.");
  const bytesOut = metrics.counter("storaged_sent_bytes_total", "Bytes of object bodies sent.");

  const failed = async ({ operation, bucket, key, requestId, expected }: Operation, error: unknown) => {
    const { type, message } = toWire(error);
    outcomes.add(1, { operation, outcome: type });
    if (expected?.includes(type)) return;
    const entry = { at: timestamp(clock), operation, bucket, key, type, message, request_id: requestId };
    try {
      await journal.append(entry);
    } catch (cause) {
      // The caller gets its own failure, not the journal's.
      log.error("the error journal cannot be written", { ...describe(cause), entry });
    }
  };

  return {
    run: async (operation, work) => {
      try {
        const result = await work();
        outcomes.add(1, { operation: operation.operation, outcome: "ok" });
        return result;
      } catch (error) {
        await failed(operation, error);
        throw error;
      }
    },
    failed: async (operation, error) => {
      if (!(error instanceof ServiceError))
        log.error(`${operation.operation} failed in mid-stream`, describe(error));
      await failed(operation, error);
    },
    received: (bytes) => bytesIn.add(bytes),
    sent: (bytes) => bytesOut.add(bytes),
  };
}
