/** The corpora: searched by generation, built and swapped by jobs, recorded on disk, cleared away in the background. */
export { type Build, holdGeneration } from "./build.ts";
export { type Entry, noteDamage, recordAtRest } from "./entry.ts";
export type { Corpora, LiveCorpus } from "./live-corpus.ts";
export { createMaintenance, type Maintenance } from "./maintenance.ts";
export { recordFault } from "./marks.ts";
export { databaseFile, readRecord, recordName } from "./record.ts";
export { createCorpora, type OpenCorpora } from "./registry.ts";
export { corporaRaw, corporaVerbs } from "./verbs.ts";
