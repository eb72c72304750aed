/** `tools/list` and `tools/call`: arguments and answers are checked, each call is observed, bounded and logged. */
import {
  type CallToolResult,
  type LoggingLevel,
  ProtocolError,
  ProtocolErrorCode,
  type Server,
  type ServerContext,
} from "@modelcontextprotocol/server";
import { check } from "../../../runtime/contract/contract.ts";
import { fail, ServiceError } from "../../../runtime/errors/errors.ts";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import { describe, type Log } from "../../../runtime/telemetry/telemetry.ts";
import {
  currentTrace,
  inSpan,
  type TraceContext,
  traceOf,
} from "../../../runtime/trace-context/trace-context.ts";
import { failureText, GatewayFailure, type Observation, startTimer, summaryOf } from "../gateway/gateway.ts";
import { plain, type Tool } from "../tools/tools.ts";
import { answerLevels, type Say } from "./logging.ts";
import { createProgress } from "./progress.ts";

/** Over queryd's longest `timeout_ms`, so that the product's own limits speak first. */
const callTimeoutMs = 65 * 60 * 1000;
/** Concurrent calls of all clients; further ones are refused, since each may hold a result of some MB. */
const callsMax = 32;

export interface CallParts {
  tools: readonly Tool[];
  observation: Observation;
  clock: Clock;
  log: Log;
  /** Removes secrets from texts for the client. */
  redact: (text: string) => string;
}

/** Makes what answers for the tools on any number of servers; `runId` stands for a session in the observer. */
export function createCalls(parts: CallParts): (server: Server, runId: string) => void {
  const byName = new Map(parts.tools.map((tool) => [tool.name, tool]));
  const tools = parts.tools.map(({ name, description, annotations, input, output }) => ({
    ...{ name, title: annotations.title, description, annotations },
    ...{ inputSchema: plain(input), outputSchema: plain(output) },
  }));
  let inFlight = 0;
  return (server, runId) => {
    const say = answerLevels(server);
    server.setRequestHandler("tools/list", () => ({ tools }));
    server.setRequestHandler("tools/call", async ({ params }, context) => {
      const tool = byName.get(params.name);
      if (!tool) {
        const known = [...byName.keys()].join(", ");
        const asked = params.name.slice(0, 100);
        throw new ProtocolError(
          ProtocolErrorCode.InvalidParams,
          `there is no tool '${asked}'; expected one of ${known}`,
        );
      }
      const isOver = inFlight >= callsMax;
      inFlight++;
      try {
        return await callTool(tool, params.arguments ?? {}, { context, parts, isOver, runId, say });
      } finally {
        inFlight--;
      }
    });
  };
}

interface Calling {
  context: ServerContext;
  parts: CallParts;
  /** There are too many concurrent calls already. */
  isOver: boolean;
  runId: string;
  say: Say;
}

/** Validates the arguments, calls the tool, validates its answer, records the call. A failure is an answer with `isError`, never a protocol error. */
async function callTool(
  tool: Tool,
  input: unknown,
  { context, parts, isOver, runId, say }: Calling,
): Promise<CallToolResult> {
  const { clock, log, observation, redact } = parts;
  const { signal, _meta, notify } = context.mcpReq;
  const { startedAt, elapsedMs } = startTimer(clock);
  const deadline = deadlineOf(signal, clock);
  const progress = createProgress(_meta?.progressToken, clock, (params) =>
    notify({ method: "notifications/progress", params }),
  );
  const ended = (level: LoggingLevel, error?: string) => {
    const about = { tool: tool.name, ...(error !== undefined && { error }) };
    observation.record({
      ...about,
      runId,
      input: redact(summaryOf(input)),
      startedAt,
      durationMs: elapsedMs(),
    });
    say(context, level, { ...about, elapsed_ms: Math.round(elapsedMs()) });
  };
  try {
    if (isOver) throw fail("too_many_requests", `${callsMax} calls are at work already`);
    const checked = check(tool.input, input, "the arguments");
    const span = { name: `tools/call ${tool.name}`, kind: "server" as const };
    const { structured, text } = await inSpan(traceIn(_meta), span, () =>
      tool.call(checked, { signal: deadline.signal, at: progress.at }),
    );
    checkAnswer(tool, structured);
    ended("info");
    return { content: [{ type: "text", text }], structuredContent: structured };
  } catch (cause) {
    const text = signal.aborted ? "cancelled by the client" : redact(failureText(cause, tool.lookUp));
    if (!signal.aborted && !isExpected(cause))
      log.error("tool failed", { tool: tool.name, ...describe(cause) });
    ended(signal.aborted ? "notice" : "warning", text);
    return { content: [{ type: "text", text }], isError: true };
  } finally {
    progress.stop();
    deadline.done();
  }
}

/** The trace that the agent's call belongs to, as MCP has it in `_meta`; else that of the request which carries it. */
function traceIn(meta: Record<string, unknown> | undefined): TraceContext | undefined {
  const carrier = currentTrace();
  const text = (value: unknown) => (typeof value === "string" ? value : undefined);
  const own = traceOf(text(meta?.traceparent), text(meta?.tracestate));
  return own ? { ...own, record: carrier?.record } : carrier;
}

/** An answer that its own schema refuses is this server's mistake, whatever the arguments were. */
function checkAnswer({ name, output }: Tool, structured: unknown): void {
  try {
    check(output, structured, "the answer");
  } catch (cause) {
    throw new Error(`the answer of ${name} does not fit its schema`, { cause });
  }
}

/** A signal that also ends when the longest time is over. */
function deadlineOf(signal: AbortSignal, clock: Clock): { signal: AbortSignal; done: () => void } {
  const over = new AbortController();
  const cancel = clock.after(callTimeoutMs, () =>
    over.abort(fail("deadline_exceeded", `no answer within ${callTimeoutMs} ms`)),
  );
  return { signal: AbortSignal.any([signal, over.signal]), done: cancel };
}

const isExpected = (cause: unknown): boolean =>
  cause instanceof ServiceError || cause instanceof GatewayFailure;
