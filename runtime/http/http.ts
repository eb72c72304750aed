/** A contract as an HTTP face: routes on Elysia, who may call, limits, and how long a connection may be silent. */
export { type AnswerHold, createAnswerHold } from "./answer-hold.ts";
export { type Handler, idempotencyKeyPattern } from "./guard.ts";
export type { Listening } from "./listener.ts";
export { createFace, type Face, type RawHandler } from "./serve.ts";
