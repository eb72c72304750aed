/** One query from its text to its answer, and the list of those that run, wait or have ended. */
export { datasetEtag, datasetSql, fileOf, formatsByName, versionName } from "./by-url.ts";
export { openComponents } from "./components.ts";
export { chooseFormat } from "./content-negotiation.ts";
export { describeStatement } from "./description.ts";
export { type Components, type SqlQuery, type Started, startQuery } from "./execution.ts";
export { checkExpressions, checkWhere } from "./expressions.ts";
export { type ActiveQuery, createQueries, type Queries } from "./registry.ts";
export { startRemoteQuery } from "./remote-query.ts";
export { watch } from "./watch.ts";
