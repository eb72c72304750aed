/** One query from its text to its answer, and the list of those that run, wait or have ended. */
export { openComponents } from "./components.ts";
export { chooseFormat } from "./content-negotiation.ts";
export type { CurrentViews } from "./current-views.ts";
export { describeStatement, type StatementDescription } from "./description.ts";
export { type Components, type SqlQuery, type Started, startQuery } from "./execution.ts";
export { checkViewColumns } from "./expanded-views.ts";
export { checkExpressions, checkWhere } from "./expressions.ts";
export { listFunctions } from "./functions.ts";
export { type ActiveQuery, createQueries, type Queries } from "./registry.ts";
export { startRemoteQuery } from "./remote-query.ts";
export { limited, watch } from "./watch.ts";
