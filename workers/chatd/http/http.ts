/** An answer as HTTP: whole or as server-sent events, in the shape of the endpoint that was asked. */
export { type AnswerFormat, httpAnswer, openAiFormat, ownFormat } from "./answer.ts";
export { event } from "./event-stream.ts";
export { readTextRequest, textFormat } from "./text-completion.ts";
