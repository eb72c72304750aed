/** Runs in every worker's thread before its modules load, which may take long: says which thread it is. */
import { parentPort } from "node:worker_threads";
import type { FromWorker } from "../service/service.ts";
import { ownThreadId } from "../thread-time/thread-time.ts";

parentPort?.postMessage({ type: "thread", id: ownThreadId() } satisfies FromWorker);
