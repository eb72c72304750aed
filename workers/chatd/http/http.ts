/** An answer as HTTP: JSON or server-sent events, in the format of the endpoint. */
export {
  type AnswerFormat,
  httpAnswer,
  openAiFormat,
  ownFormat,
  readTextRequest,
  textFormat,
} from "./answer.ts";
export { event } from "./event-stream.ts";
