/** What one ingest is about, and what all of them share. */
import type { Static } from "@sinclair/typebox";
import type { InputOf } from "../../../runtime/contract/contract.ts";
import type { Operation } from "../../../runtime/idempotency/idempotency.ts";
import type { Limiter } from "../../../runtime/scheduling/scheduling.ts";
import type { Deps } from "../../../runtime/service/service.ts";
import type { Catalogd, Manifest, TableLayout } from "../../catalogd/contract.ts";
import type { Matrixd } from "../../matrixd/contract.ts";
import type { Queryd } from "../../queryd/contract.ts";
import type { Storaged } from "../../storaged/contract.ts";
import type { Ingested, ingestd } from "../contract.ts";
import type { Sources } from "../databases/databases.ts";
import type { Engines } from "../engine/engine.ts";
import type { Extraction } from "../extraction/extraction.ts";
import type { FileContext } from "../tables/tables.ts";
import type { Deadline } from "./deadline.ts";
import type { Jobs, RunningJob } from "./registry.ts";

export type IngestDeps = Deps<{ storaged: Storaged; catalogd: Catalogd; queryd: Queryd; matrixd: Matrixd }>;
export type IngestInput = InputOf<(typeof ingestd.endpoints)["ingest"]>;
export type IngestAnswer = Static<typeof Ingested>;
export type DatasetManifest = Static<typeof Manifest>;

export interface IngestParts {
  deps: IngestDeps;
  engines: Engines;
  /** Reads files of strangers in processes of their own. */
  extraction: Extraction;
  /** Databases of others. */
  sources: Sources;
  jobs: Jobs;
  limiter: Limiter;
  /** Holds one directory per ingest under way. */
  workDirectory: string;
}

/** Where files of an open table go, as `bucket://folder`, and how its rows lie in them. */
export interface TablePlace {
  folder: string;
  layout: Static<typeof TableLayout>;
}

/** Checked before the body is read. */
export interface Task {
  input: IngestInput;
  name: string;
  /** Of an open table. */
  place?: TablePlace;
  /** Several rows may stand together for one key of an upsert. */
  keyRepeats: boolean;
  fileContext: FileContext;
  job: RunningJob;
  deadline: Deadline;
  requestId: string;
}

/** What is known of the request when its file was received. */
export interface Arrival {
  /** As the client calls the file, when it says. */
  filename: string | undefined;
  /** What a caller should know of how the rows were found. */
  warnings: readonly string[];
  /** What is done for the Idempotency-Key; undefined without one. */
  operation: Operation | undefined;
  /** Of a file that a watch takes. */
  taken?: TakenFile | undefined;
}

/** By what a watch knows that it has taken a file. */
export interface TakenFile {
  watch: string;
  /** Below the place that is watched. */
  file: string;
  bytes: number;
  /** When it was last written, or the etag of an object. */
  modified: string;
  sha256: string;
  /** The number that the version of taken files must have which is made with it: with another one nothing is done. */
  next: number;
}

/** The dataset of a dataset's rejected rows is called by its name and this. */
export const rejectsSuffix = "__rejects";

/** The dataset of the files that were taken for a dataset is called by its name and this. */
export const takenSuffix = "__taken";
