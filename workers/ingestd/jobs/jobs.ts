/** The ingests that run, wait or have ended, what each is about, and how long it may take. */
export { createDeadline, type Deadline } from "./deadline.ts";
export { measureIngests } from "./metrics.ts";
export { createJobs, isOver, type RunningJob } from "./registry.ts";
export {
  type Arrival,
  type DatasetManifest,
  type IngestAnswer,
  type IngestDeps,
  type IngestInput,
  type IngestParts,
  rejectsSuffix,
  type TablePlace,
  type TakenFile,
  type Task,
  takenSuffix,
} from "./task.ts";
