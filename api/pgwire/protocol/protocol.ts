/** PostgreSQL's messages (protocol 3.0): those of clients as they come in, those of a server as they go out. */
export * as backend from "./backend.ts";
export { failureFields, protocolViolation, SqlFailure, sqlFailure } from "./failures.ts";
export { createFrames, type Frame, FrameError, type Frames } from "./frames.ts";
export {
  type Bind,
  type Execute,
  type Parse,
  readBind,
  readExecute,
  readNamed,
  readParse,
  readStartup,
  type Startup,
  startupCodes,
  textOf,
} from "./frontend.ts";
