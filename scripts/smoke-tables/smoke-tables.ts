/** The smokes of files, tables, SQL and access. */
export { auth } from "./auth.ts";
export { d1 } from "./d1.ts";
export { d2 } from "./d2.ts";
export { d3 } from "./d3.ts";
export { d4 } from "./d4.ts";
export { d5 } from "./d5.ts";
export { d6 } from "./d6.ts";
export { storagedCap } from "./storaged-cap.ts";
