/** Runs in every worker's thread before its modules load, which may take long: says which thread it is. */
import { parentPort } from "node:worker_threads";
import type { FromWorker } from "./protocol.ts";
import { ownThreadId } from "./thread-time.ts";

parentPort?.postMessage({ type: "thread", id: ownThreadId() } satisfies FromWorker);
