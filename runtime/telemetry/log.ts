/** JSON lines on stderr: time, level, service, msg, request_id, fields. Secrets never reach a field. */
import { writeSync } from "node:fs";
import { currentTrace } from "../trace-context/trace-context.ts";

export const levels = ["debug", "info", "warn", "error"] as const;
export type Level = (typeof levels)[number];

export interface Log {
  debug: (msg: string, fields?: Record<string, unknown>) => void;
  info: (msg: string, fields?: Record<string, unknown>) => void;
  warn: (msg: string, fields?: Record<string, unknown>) => void;
  error: (msg: string, fields?: Record<string, unknown>) => void;
  /** Takes effect at once, also for loggers already handed out. */
  setLevel: (level: Level) => void;
}

const secretField = /token|secret|password|authorization|api_?key/i;

/** An error as fields: its message, type, stack and the chain of causes. */
export function describe(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { error: String(error) };
  const described: Record<string, unknown> = { error: error.message, name: error.name, stack: error.stack };
  if (error.cause !== undefined) described.cause = describe(error.cause);
  return described;
}

/** The newest lines of this thread, oldest first, for whoever cannot see stderr. */
const recent: string[] = [];
let recentLength = 0;
/** Characters, of each thread: some thousand lines. */
const [recentLengthMax, lineLengthMax] = [256 * 1024, 16 * 1024];

/** The newest lines that this thread logged, each a JSON object; of a long one the message alone. */
export const recentLines = (): readonly string[] => recent;

function remember(line: string): void {
  const kept = line.length <= lineLengthMax ? line : shortened(line);
  recent.push(kept);
  recentLength += kept.length;
  while (recentLength > recentLengthMax) recentLength -= recent.shift()?.length ?? 0;
}

function shortened(line: string): string {
  const { time, level, service, msg } = JSON.parse(line) as Record<string, string>;
  const cut = { time, level, service, msg: msg?.slice(0, lineLengthMax / 2), shortened: true };
  return `${JSON.stringify(cut)}\n`;
}

const stderrLine = (line: string): void => {
  remember(line);
  try {
    writeSync(2, line);
  } catch {
    // A closed or full stderr must not stop the service: there is nowhere left to say so.
  }
};

export function createLog(service: string, level: Level, write: (line: string) => void = stderrLine): Log {
  let threshold = levels.indexOf(level);
  const at =
    (name: Level) =>
    (msg: string, fields: Record<string, unknown> = {}): void => {
      if (levels.indexOf(name) < threshold) return;
      const { traceId: trace_id, spanId: span_id } = currentTrace() ?? {};
      const line = {
        time: new Date().toISOString(),
        level: name,
        service,
        msg,
        ...fields,
        trace_id,
        span_id,
      };
      write(`${JSON.stringify(line, hideSecrets)}\n`);
    };
  return {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    setLevel: (next) => {
      threshold = levels.indexOf(next);
    },
  };
}

/** The same without what its fields' names say is secret, and without passwords in addresses. */
export const withoutSecrets = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value, hideSecrets).replaceAll(/(:\/\/)[^\s/?#"@]+@/g, "$1[hidden]@"));

const hideSecrets = (key: string, value: unknown): unknown => {
  if (typeof value === "bigint") return value.toString();
  if (value instanceof Error) return describe(value);
  return typeof value === "string" && value !== "" && secretField.test(key) ? "[hidden]" : value;
};
