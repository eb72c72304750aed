/** The one way into a service's verbs, whatever the transport: validate, remember, run, log what was not expected. */

import { type Contract, check, inputSchema, mutates, type Verb, type VerbsOf } from "../contract/contract.ts";
import { storageError } from "../durable/durable.ts";
import { fail, ServiceError } from "../errors/errors.ts";
import type { Idempotency, Operation } from "../idempotency/idempotency.ts";
import type { Clock } from "../scheduling/scheduling.ts";
import { describe, type Log, type Metrics } from "../telemetry/telemetry.ts";
import type { Invoke } from "./transport.ts";

type AnyVerb = (input: unknown, context: unknown) => Promise<unknown>;

export function createInvoke<C extends Contract>(
  contract: C,
  verbs: VerbsOf<C>,
  { idempotency, log }: { idempotency: Idempotency; log: Log },
): Invoke {
  return async (verb, input, context) => {
    const endpoint = Object.hasOwn(contract.endpoints, verb) ? contract.endpoints[verb] : undefined;
    if (!endpoint || endpoint.kind === "raw")
      throw fail("not_found", `${contract.name} has no call named '${verb}'`);
    const checked = check(inputSchema(endpoint), input ?? {}, "the request");
    const run = (operation?: Operation) =>
      (verbs as Record<string, AnyVerb>)[verb]?.(
        checked,
        operation ? { ...context, operation } : context,
      ) as Promise<unknown>;
    const { idempotencyKey } = context;
    try {
      if (!idempotencyKey || !mutates(endpoint)) return await run();
      const { resumable } = endpoint as Verb;
      return await idempotency.once(idempotencyKey, fingerprint(verb, checked), run, { resumable });
    } catch (cause) {
      const error = storageError(cause);
      report(log, `${contract.name}.${verb}`, context.requestId, error);
      throw error;
    }
  };
}

/** Counts calls and their time by verb: those over channels pass no HTTP face that would count them. */
export function counted(
  { endpoints }: Contract,
  invoke: Invoke,
  { metrics, clock }: { metrics: Metrics; clock: Pick<Clock, "elapsed"> },
): Invoke {
  const calls = metrics.counter("calls_total", "Calls of verbs, by verb and outcome.");
  const seconds = metrics.histogram("call_duration_seconds", "Time of a call, by verb.");
  return async (verb, input, context) => {
    const started = clock.elapsed();
    let outcome = "ok";
    try {
      return await invoke(verb, input, context);
    } catch (error) {
      outcome = error instanceof ServiceError ? error.type : "internal";
      throw error;
    } finally {
      // A name that is no verb comes from outside and must not become a label.
      const known = Object.hasOwn(endpoints, verb) ? verb : "unknown";
      calls.add(1, { verb: known, outcome });
      seconds.observe((clock.elapsed() - started) / 1000, { verb: known });
    }
  };
}

/** Unexpected errors are logged with their stack; of typed ones the caller sees the message, and the log the private cause. */
function report(log: Log, verb: string, requestId: string, error: unknown): void {
  const expected = error instanceof ServiceError && error.type !== "internal" && error.type !== "corrupt";
  if (!expected) log.error("call failed", { verb, request_id: requestId, ...describe(error) });
  else if (error.cause !== undefined)
    log.warn("call failed", { verb, request_id: requestId, type: error.type, ...describe(error.cause) });
}

/** Fields in order of their names, so that the same request written in another order is the same. */
const fingerprint = (verb: string, input: unknown): string =>
  new Bun.CryptoHasher("sha256").update(`${verb}\n${canonical(input)}`).digest("hex");

const canonical = (value: unknown): string =>
  JSON.stringify(value, (_, field: unknown) =>
    typeof field === "object" && field !== null && !Array.isArray(field)
      ? Object.fromEntries(Object.entries(field).sort(([a], [b]) => (a < b ? -1 : 1)))
      : field,
  );
