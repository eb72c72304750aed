/** The protocol's side: its requests, progress, and how large a message may be. */
export { limitMessages } from "./message-limit.ts";
export { createServer } from "./server.ts";
