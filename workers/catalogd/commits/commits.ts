/** The only way to a new version: plan, check, one durable write, then the registry. */
export { type Change, type Commit, type Committing, createCommit } from "./commit.ts";
export { createObjectCheck, type ObjectCheck } from "./object-check.ts";
export { type Return, returnVerbs } from "./returns.ts";
export { createTurns, type Turns } from "./turns.ts";
export { createWriting } from "./under-way.ts";
export { type Write, writeVerbs } from "./verbs.ts";
