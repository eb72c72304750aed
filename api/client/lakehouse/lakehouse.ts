/** The typed client of a running product, for Node, Bun and browsers. See README.md above. */
export {
  type ChatChunk,
  type Client,
  createClient,
  type Format,
  type Row,
  type SqlOptions,
} from "./client.ts";
export type { ServiceClient, StreamOptions } from "./endpoints.ts";
export { LakehouseError } from "./failure.ts";
export type { ServerEvent } from "./reading.ts";
export { bodyOf, requestPath } from "./request.ts";
export type { ClientOptions, RequestOptions } from "./sending.ts";
