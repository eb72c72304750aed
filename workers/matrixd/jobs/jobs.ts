/** Jobs, which build and refresh corpora: their queue and log, and the work of one, from the rows of its source to their vectors. */
export { jobsFormat, jobsName } from "./log.ts";
export type { Peers } from "./peers.ts";
export { isOver, type Jobs, openJobs, type RunningJob } from "./queue.ts";
export { needsRebuild, type RefreshTask, refresh } from "./refresh.ts";
export { findSource, type Source } from "./source.ts";
