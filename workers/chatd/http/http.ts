/** An answer as HTTP: JSON or server-sent events, in the format of the endpoint. */
export { type AnswerFormat, httpAnswer, openAiFormat, ownFormat } from "./answer.ts";
export { event } from "./event-stream.ts";
export { readTextRequest, textFormat } from "./text-completion.ts";
