/** Log messages of tool calls, to clients that ask for them by `logging/setLevel` or in the request itself. */
import type { LoggingLevel, Server, ServerContext } from "@modelcontextprotocol/server";

/** Sent to clients that have named no level. */
const levelDefault: LoggingLevel = "warning";
/** From the least to the most severe (RFC 5424). */
const levels: readonly LoggingLevel[] = [
  ...(["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"] as const),
];

/** Sends a message about the request that it belongs to. */
export type Say = (context: ServerContext, level: LoggingLevel, data: unknown) => void;

export function answerLevels(server: Server): Say {
  let least = levelDefault;
  server.setRequestHandler("logging/setLevel", ({ params }) => {
    least = params.level;
    return {};
  });
  return ({ mcpReq }, level, data) => {
    // Requests of the newer protocol say themselves what they want to hear, and the SDK looks there.
    if (mcpReq.envelope === undefined && levels.indexOf(level) < levels.indexOf(least)) return;
    // A client that is gone hears nothing.
    mcpReq.log(level, data, "tools").catch(() => undefined);
  };
}
