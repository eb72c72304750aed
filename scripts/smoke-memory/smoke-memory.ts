/** The smokes of vectors, corpora, playbooks, traces, conversations and what observes them. */
export { chat } from "./chat.ts";
export { downgrade } from "./downgrade.ts";
export { g1 } from "./g1.ts";
export { g1p } from "./g1p.ts";
export { g2 } from "./g2.ts";
export { matrix } from "./matrix.ts";
export { mcp } from "./mcp.ts";
export { observer } from "./observer.ts";
export { pathway } from "./pathway.ts";
export { playbook } from "./playbook.ts";
export { relevance } from "./relevance.ts";
