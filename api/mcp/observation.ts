/** Tells observerd of each tool call, through the gateway and beside the call: it never waits for this, nor fails by it. */
import { type Clock, timestamp } from "../../runtime/scheduling/scheduling.ts";
import type { Log } from "../../runtime/telemetry/telemetry.ts";
import { observerd } from "../../workers/observerd/contract.ts";
import type { GatewayClient } from "./gateway-client.ts";

export interface ToolCall {
  tool: string;
  /** Of the arguments, in short. */
  input: string;
  beganAt: string;
  durationMs: number;
  /** What the client was told, when it failed. */
  error?: string;
}

export interface Observation {
  record: (call: ToolCall) => void;
  /** Resolves when what was recorded has been sent or given up. */
  settled: () => Promise<void>;
}

/** Events on their way at once; more are dropped, so that a silent observerd costs no memory. */
const underWayMax = 64;
const sendTimeoutMs = 5000;
const summaryCharsMax = 1000;
const errorCharsMax = 2000;

export interface ObservationOptions {
  gateway: GatewayClient;
  log: Log;
  /** Ties the calls of one session together. */
  runId: string;
}

export function createObservation({ gateway, log, runId }: ObservationOptions): Observation {
  const underWay = new Set<Promise<void>>();
  let isDown = false;
  const send = async ({ tool, input, beganAt, durationMs, error }: ToolCall): Promise<void> => {
    try {
      const event = {
        ...{ source: "mcp", endpoint: tool, success: error === undefined, duration_ms: durationMs },
        ...{ timestamp: beganAt, run_id: runId, input_summary: input },
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
      if (underWay.size >= underWayMax) return;
      const sending = send(call).finally(() => underWay.delete(sending));
      underWay.add(sending);
    },
    settled: async () => {
      await Promise.all(underWay);
    },
  };
}

/** The arguments in short: lists of numbers, such as vectors, by their length alone. */
export function summaryOf(input: unknown): string {
  const short = (_: string, value: unknown): unknown =>
    Array.isArray(value) && value.length > 8 && typeof value[0] === "number"
      ? `[${value.length} numbers]`
      : value;
  return (JSON.stringify(input, short) ?? "").slice(0, summaryCharsMax);
}

/** The time a call began, for its event. */
export const beginning = (clock: Clock): { beganAt: string; sinceMs: () => number } => {
  const began = clock.elapsed();
  return { beganAt: timestamp(clock), sinceMs: () => clock.elapsed() - began };
};
