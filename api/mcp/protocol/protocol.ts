/** The protocol's side: its requests, progress, and how large a message may be. */
import {
  type CallToolResult,
  ProtocolError,
  ProtocolErrorCode,
  ResourceNotFoundError,
  Server,
  type ServerContext,
} from "@modelcontextprotocol/server";
import { version } from "../../../package.json";
import { check } from "../../../runtime/contract/contract.ts";
import { fail, ServiceError } from "../../../runtime/errors/errors.ts";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import { describe, type Log } from "../../../runtime/telemetry/telemetry.ts";
import { failureText, GatewayFailure, type Observation, startTimer, summaryOf } from "../gateway/gateway.ts";
import { plain, type Resources, type Tool } from "../tools/tools.ts";
import { createProgress } from "./progress.ts";

export { limitMessages } from "./message-limit.ts";

// The protocol's requests, answered by tools and resources.

/** Sent to the model once, at the start. */
const instructions =
  "Lakehouse holds datasets (SQL tables), vector indexes and searchable corpora. To answer from data: list_datasets, then get_manifest for the columns, then query_sql. To find by meaning: search_matrix over corpora, or search_vectors over one index. When an answer found by search_matrix proved right, call record_playbook. Everything but record_playbook only reads.";

/** Over queryd's longest `timeout_ms`, so that the product's own limits speak first. */
const callTimeoutMs = 65 * 60 * 1000;
/** Concurrent calls; further ones are refused, since each may hold a result of some MB. */
const callsMax = 32;

interface ServerParts {
  tools: readonly Tool[];
  resources: Resources;
  observation: Observation;
  clock: Clock;
  log: Log;
  /** Removes secrets from texts for the client. */
  redact: (text: string) => string;
}

/** One connection's server; it is not connected yet. */
export function createServer(parts: ServerParts): Server {
  const server = new Server(
    { name: "lakehouse", title: "Lakehouse", version },
    {
      instructions,
      capabilities: { tools: {}, resources: { listChanged: true }, completions: {} },
    },
  );
  answerTools(server, parts);
  answerResources(server, parts);
  return server;
}

function answerTools(server: Server, parts: ServerParts): void {
  const byName = new Map(parts.tools.map((tool) => [tool.name, tool]));
  const listed = parts.tools.map(({ name, description, annotations, input, output }) => ({
    ...{ name, title: annotations.title, description, annotations },
    ...{ inputSchema: plain(input), outputSchema: plain(output) },
  }));
  let inFlight = 0;
  server.setRequestHandler("tools/list", () => ({ tools: listed }));
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
      return await callTool(tool, params.arguments ?? {}, { context, parts, isOver });
    } finally {
      inFlight--;
    }
  });
}

interface Calling {
  context: ServerContext;
  parts: ServerParts;
  /** There are too many concurrent calls already. */
  isOver: boolean;
}

/** Validates the arguments, calls the tool, validates its answer, records the call. A failure is an answer with `isError`, never a protocol error. */
async function callTool(
  tool: Tool,
  input: unknown,
  { context, parts, isOver }: Calling,
): Promise<CallToolResult> {
  const { clock, log, observation, redact } = parts;
  const { signal, _meta, notify } = context.mcpReq;
  const { startedAt, elapsedMs } = startTimer(clock);
  const deadline = deadlineOf(signal, clock);
  const progress = createProgress(_meta?.progressToken, clock, (params) =>
    notify({ method: "notifications/progress", params }),
  );
  const observe = (error?: string) =>
    observation.record({
      ...{ tool: tool.name, input: redact(summaryOf(input)), startedAt, durationMs: elapsedMs() },
      ...(error !== undefined && { error }),
    });
  try {
    if (isOver) throw fail("too_many_requests", `${callsMax} calls of this session are at work already`);
    const checked = check(tool.input, input, "the arguments");
    const { structured, text } = await tool.call(checked, { signal: deadline.signal, at: progress.at });
    checkAnswer(tool, structured);
    observe();
    return { content: [{ type: "text", text }], structuredContent: structured };
  } catch (cause) {
    const text = signal.aborted ? "cancelled by the client" : redact(failureText(cause));
    if (!signal.aborted && !isExpected(cause))
      log.error("tool failed", { tool: tool.name, ...describe(cause) });
    observe(text);
    return { content: [{ type: "text", text }], isError: true };
  } finally {
    progress.stop();
    deadline.done();
  }
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

function answerResources(server: Server, { resources, redact }: ServerParts): void {
  server.setRequestHandler("resources/list", ({ params }, { mcpReq }) =>
    asProtocolError(redact, () => resources.list(params?.cursor, mcpReq.signal)),
  );
  server.setRequestHandler("resources/templates/list", () => resources.templates());
  server.setRequestHandler("resources/read", async ({ params: { uri } }, { mcpReq }) => {
    const reading = resources.read(uri, mcpReq.signal);
    if (!reading) throw new ResourceNotFoundError(uri);
    return asProtocolError(redact, () => reading, uri);
  });
  server.setRequestHandler("completion/complete", async ({ params: { ref, argument } }, { mcpReq }) => {
    if (ref.type !== "ref/resource" || argument.name !== "name") return { completion: { values: [] } };
    return asProtocolError(redact, () => resources.complete(argument.value, mcpReq.signal));
  });
}

/** Failures of resources have no `isError`: they are protocol errors, with the same words. */
async function asProtocolError<T>(
  redact: ServerParts["redact"],
  work: () => Promise<T>,
  uri?: string,
): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const { type } = cause as { type?: string };
    if (uri !== undefined && (type === "not_found" || type === "invalid_field" || type === "invalid_name"))
      throw new ResourceNotFoundError(uri);
    const isCallers = type === "invalid_field" || type === "bad_request";
    const code = isCallers ? ProtocolErrorCode.InvalidParams : ProtocolErrorCode.InternalError;
    throw new ProtocolError(code, redact(failureText(cause)));
  }
}
