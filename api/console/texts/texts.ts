/** What the console says, in English, a file for each page: another language is another of these. */
export { chat } from "./chat.ts";
export { copilot } from "./copilot.ts";
export { datasets } from "./datasets.ts";
export { erasures } from "./erasures.ts";
export { frame } from "./frame.ts";
export { home } from "./home.ts";
export { memory } from "./memory.ts";
export { operations } from "./operations.ts";
export { search } from "./search.ts";
export { sql } from "./sql.ts";
export { system } from "./system.ts";
export { upload } from "./upload.ts";
