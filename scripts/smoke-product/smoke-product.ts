/** What every smoke is given: a product in each mode, requests to it, and a stage that counts its checks. */
export { runCommand } from "./command.ts";
export { type Answer, type Lake, lakeAt, modes, type Product, type StartOptions } from "./product.ts";
export { drop, freshName, ingest, rows, sql } from "./requests.ts";
export {
  expectEqual,
  expectError,
  expectStatus,
  expectStored,
  expectTrue,
  runSmoke,
  type Smoke,
  type Stage,
} from "./stage.ts";
export { addItems, createIndex, dropIndex, embed, type Hit, postJson, searchHits } from "./vectors.ts";
