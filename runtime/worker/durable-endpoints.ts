/** The endpoints for what a service keeps: the same for every service, under its name; the gateway passes them on. */

import {
  Binary,
  closed,
  contract,
  ErasureReported,
  ErasureRequest,
  type RawContext,
  type Running,
  raw,
  t,
} from "../contract/contract.ts";
import { type Durable, type Snapshot, storageError } from "../durable/durable.ts";
import { fail, toWire } from "../errors/errors.ts";
import type { AnswerHold } from "../http/http.ts";
import type { Idempotency } from "../idempotency/idempotency.ts";
import type { Clock } from "../scheduling/scheduling.ts";
import { describe, type Log } from "../telemetry/telemetry.ts";
import { eraseHandler } from "./erase-endpoint.ts";

const Service = closed({
  service: t.String({ maxLength: 64, description: "Name of a service, as storaged." }),
});
const OfSnapshot = closed({ ...Service.properties, id: t.String({ maxLength: 64 }) });
const lines = { "application/x-ndjson": Binary };

/**
 * The endpoints. Lines end with `{"end":{"count":n}}`; an answer without it is not whole, and one that had to be given up
 * says why in a last line, `{"error":{"type","message"}}`.
 */
export const durable = contract("durable", {
  inspect: raw(["GET"], "/durable/:service/inspect", {
    summary: "Reads again everything the service keeps: a line each finding and each step; changes nothing.",
    params: Service,
    produces: lines,
  }),
  point: raw(["POST"], "/durable/:service/points", {
    summary: "Fixes what the service keeps now: a line with the id, then one each file.",
    params: Service,
    produces: lines,
  }),
  keep: raw(["POST"], "/durable/:service/points/:id", {
    summary: "Keeps a snapshot for another ten minutes.",
    params: OfSnapshot,
    statuses: [204],
  }),
  file: raw(["GET"], "/durable/:service/points/:id/*", {
    summary: "The bytes of one file of a snapshot.",
    params: closed({ ...OfSnapshot.properties, key: t.String({ maxLength: 4096 }) }),
    produces: { "application/octet-stream": Binary },
  }),
  hold: raw(["POST"], "/durable/:service/holds/:id", {
    summary:
      "Holds every answer of this service, for at most ten seconds, and 30 of a minute: snapshots taken meanwhile are of one moment.",
    params: OfSnapshot,
    statuses: [204],
  }),
  free: raw(["DELETE"], "/durable/:service/holds/:id", {
    summary: "Lets the answers go; 404 when they were not held all the time.",
    params: OfSnapshot,
    statuses: [204],
  }),
  erase: raw(["POST"], "/durable/:service/erase", {
    keyless: true,
    summary:
      "Erases what this service keeps of a person or a thing, wherever it is named; POST /v1/erase asks all services, and writes down that it was done.",
    params: Service,
    consumes: { "application/json": ErasureRequest },
    produces: { "application/json": ErasureReported },
  }),
  release: raw(["DELETE"], "/durable/:service/points/:id", {
    summary: "Releases a snapshot. One that is not used is released after ten minutes.",
    params: OfSnapshot,
    statuses: [204],
  }),
});

/** A snapshot that is no longer read, such as that of a killed backup, is released after this long. */
const idleMs = 10 * 60_000;
/** Snapshots at once; each may hold what was deleted since. */
const snapshotsMax = 8;

interface DurableHandlersDeps {
  name: string;
  durable: Durable;
  answers: Pick<AnswerHold, "hold" | "release">;
  erase: Running<never>["erase"];
  idempotency: Pick<Idempotency, "redact">;
  newId: () => string;
  clock: Pick<Clock, "after">;
  log: Pick<Log, "error">;
}

/** The handlers of one service. `stop` releases every snapshot. */
export function durableHandlers({
  name,
  durable: kept,
  answers,
  erase,
  idempotency,
  newId,
  clock,
  log,
}: DurableHandlersDeps) {
  const snapshots = new Map<string, { snapshot: Snapshot; cancel: () => void }>();
  let beingTaken = 0;
  const release = async (id: string) => {
    const held = snapshots.get(id);
    snapshots.delete(id);
    held?.cancel();
    await held?.snapshot.end();
  };
  /** Where nobody waits for the outcome: what cannot be released goes at the next start. */
  const releaseQuietly = (id: string) =>
    release(id).catch((cause) => log.error("a snapshot could not be released", { id, ...describe(cause) }));
  const watch = (id: string) => clock.after(idleMs, () => void releaseQuietly(id));
  const used = (id: string): Snapshot => {
    const held = snapshots.get(id);
    if (!held)
      throw fail("not_found", `${name} holds no snapshot '${id}': it was let go, or the service restarted`);
    held.cancel();
    held.cancel = watch(id);
    return held.snapshot;
  };
  const done = () => new Response(null, { status: 204 });
  const handlers: Record<string, (input: Asked, context: RawContext) => Promise<Response>> = {
    inspect: async (_, { signal }) => linesOf(kept.inspect(signal), log),
    point: async () => {
      if (snapshots.size + beingTaken >= snapshotsMax)
        throw fail("too_many_requests", `${name} holds ${snapshotsMax} snapshots: let one go`, {
          retryAfterSeconds: 60,
        });
      const id = newId();
      beingTaken += 1;
      const snapshot = await kept.snapshot().finally(() => {
        beingTaken -= 1;
      });
      snapshots.set(id, { snapshot, cancel: watch(id) });
      return linesOf(
        listed(id, snapshot, () => used(id)),
        log,
      );
    },
    keep: async ({ id }) => {
      used(id);
      return done();
    },
    file: async ({ id, key }) =>
      new Response(await used(id).open(key), { headers: { "content-type": "application/octet-stream" } }),
    hold: async ({ id }) => {
      answers.hold(id);
      return done();
    },
    free: async ({ id }) => {
      answers.release(id);
      return done();
    },
    erase: eraseHandler({ name, erase, idempotency, isHeld: () => snapshots.size + beingTaken > 0 }),
    release: async ({ id }) => {
      used(id);
      await release(id);
      return done();
    },
  };
  const ofOurs = (handler: (typeof handlers)[string]) => async (input: Asked, context: RawContext) => {
    if (input.service !== name) throw fail("not_found", `this is ${name}, not '${input.service}'`);
    return handler(input, context);
  };
  return {
    raw: Object.fromEntries(Object.entries(handlers).map(([verb, handler]) => [verb, ofOurs(handler)])),
    stop: async () => void (await Promise.all([...snapshots.keys()].map(releaseQuietly))),
  };
}

/** The parts of a path; those that an endpoint does not have are not there. */
interface Asked {
  service: string;
  id: string;
  key: string;
}

async function* listed(id: string, snapshot: Snapshot, use: () => void): AsyncIterable<object> {
  yield { point: { id } };
  for await (const file of snapshot.files()) {
    use();
    yield { file };
  }
}

/** Lines of JSON, with a last one that counts them or says why they end too early. */
function linesOf(values: AsyncIterable<object>, log: Pick<Log, "error">): Response {
  const encoder = new TextEncoder();
  const iterator = values[Symbol.asyncIterator]();
  let count = 0;
  const next = async (): Promise<{ line: object; isLast: boolean }> => {
    try {
      const { done, value } = await iterator.next();
      return { line: done ? { end: { count } } : value, isLast: done === true };
    } catch (cause) {
      log.error("what is kept could not be read to its end", describe(cause));
      const { type, message } = toWire(storageError(cause, "read"));
      return { line: { error: { type, message } }, isLast: true };
    }
  };
  const body = new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      const { line, isLast } = await next();
      count += 1;
      controller.enqueue(encoder.encode(`${JSON.stringify(line)}\n`));
      if (isLast) controller.close();
    },
    cancel: async () => void (await iterator.return?.()),
  });
  return new Response(body, { headers: { "content-type": "application/x-ndjson" } });
}
