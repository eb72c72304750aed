/** Records each tool call in observerd, through the gateway: the call neither waits for this nor fails by it. */
import { type Clock, timestamp } from "../../../runtime/scheduling/scheduling.ts";
import type { Log } from "../../../runtime/telemetry/telemetry.ts";
import { observerd } from "../../../workers/observerd/contract.ts";
import type { GatewayClient } from "./client.ts";

interface ToolCall {
  tool: string;
  /** Shared by the calls of one session. */
  runId: string;
  /** The arguments, abbreviated. */
  input: string;
  startedAt: string;
  durationMs: number;
  /** The error text, when it failed. */
  error?: string;
}

export interface Observation {
  record: (call: ToolCall) => void;
  /** Resolves when all recorded events were sent or failed. */
  flushed: () => Promise<void>;
}

/** Events being sent at once; further ones are dropped, so that an unresponsive observerd costs no memory. */
const inFlightMax = 64;
const sendTimeoutMs = 5000;
const summaryCharsMax = 1000;
const errorCharsMax = 2000;

interface ObservationOptions {
  gateway: GatewayClient;
  log: Log;
}

export function createObservation({ gateway, log }: ObservationOptions): Observation {
  const inFlight = new Set<Promise<void>>();
  let isDown = false;
  const send = async ({ tool, runId, input, startedAt, durationMs, error }: ToolCall): Promise<void> => {
    try {
      const event = {
        ...{ source: "mcp", endpoint: tool, success: error === undefined, duration_ms: durationMs },
        ...{ timestamp: startedAt, run_id: runId, input_summary: input },
        ...(error !== undefined && { error: error.slice(0, errorCharsMax) }),
      };
      await gateway.call(observerd.endpoints.event, event, { signal: AbortSignal.timeout(sendTimeoutMs) });
      isDown = false;
    } catch (cause) {
      if (!isDown) log.warn("tool calls are not observed at present", { reason: (cause as Error).message });
      isDown = true;
    }
  };
  return {
    record: (call) => {
      if (inFlight.size >= inFlightMax) return;
      const sending = send(call).finally(() => inFlight.delete(sending));
      inFlight.add(sending);
    },
    flushed: async () => {
      await Promise.all(inFlight);
    },
  };
}

/** The arguments, abbreviated: lists of numbers, such as vectors, by their length. */
export function summaryOf(input: unknown): string {
  const short = (_: string, value: unknown): unknown =>
    Array.isArray(value) && value.length > 8 && typeof value[0] === "number"
      ? `[${value.length} numbers]`
      : value;
  return (JSON.stringify(input, short) ?? "").slice(0, summaryCharsMax);
}

/** The start of a call, for its event. */
export const startTimer = (clock: Clock): { startedAt: string; elapsedMs: () => number } => {
  const start = clock.elapsed();
  return { startedAt: timestamp(clock), elapsedMs: () => clock.elapsed() - start };
};
