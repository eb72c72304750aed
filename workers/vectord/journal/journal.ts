/** What makes an index durable: batches are appended, folded into checkpoints, read again at a start, kept by snapshots. */

export type { Contents } from "../objects/objects.ts";
export { type ConfigChange, changedConfig } from "./config.ts";
export type { Journal, JournalView, Recovered } from "./interface.ts";
export { type Inspectable, type Journals, openJournals } from "./journals.ts";
export type { OpenJournal } from "./open-journal.ts";
