/** What the verbs of the contract do. */
export { aliasVerbs } from "./aliases.ts";
export { indexVerbs, snapshotVerbs } from "./indexes.ts";
export { type ItemParts, itemStreams, itemVerbs } from "./items.ts";
export { createInstruments } from "./metrics.ts";
export { createTexts } from "./texts.ts";
