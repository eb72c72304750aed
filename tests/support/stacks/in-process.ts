/** A service in this thread, with its HTTP face but no socket: what most service tests stand on. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createGate } from "../../../runtime/auth/auth.ts";
import { defaults } from "../../../runtime/config/loading.ts";
import type { Config } from "../../../runtime/config/settings.ts";
import type { Contract, Peer } from "../../../runtime/contract/endpoints.ts";
import { makeDirectory } from "../../../runtime/durable/files.ts";
import { createFace, type RawHandler } from "../../../runtime/http/serve.ts";
import { openIdempotency } from "../../../runtime/idempotency/idempotency.ts";
import { openMarks } from "../../../runtime/marks/marks.ts";
import { createInvoke } from "../../../runtime/rpc/invoke.ts";
import { client } from "../../../runtime/rpc/transport.ts";
import { type Clock, systemClock } from "../../../runtime/scheduling/clock.ts";
import type { Secrets } from "../../../runtime/secrets/secrets.ts";
import type { Deps, ServiceDefinition } from "../../../runtime/service/declaration.ts";
import { createLog } from "../../../runtime/telemetry/log.ts";
import { createMetrics } from "../../../runtime/telemetry/metrics.ts";
import { withLongTimeouts } from "../product/long-timeouts.ts";
import { overLocal } from "./local-transport.ts";

/** Defaults with long time limits and some sections changed: `configWith({ data_dir, queryd: { threads: 1 } })`. */
export function configWith(
  changes: { [S in keyof Config]?: Config[S] extends string ? string : Partial<Config[S]> },
): Config {
  const base = withLongTimeouts(defaults());
  const merged = Object.entries(changes).map(([key, value]) => {
    const before = (base as Record<string, unknown>)[key];
    return [
      key,
      typeof value === "object" && key !== "buckets" ? { ...(before as object), ...value } : value,
    ];
  });
  return { ...base, ...Object.fromEntries(merged) };
}

/** A directory that `remove` deletes. */
export function temporaryDirectory(name: string): { path: string; remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), `lakehouse-${name}-`));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** What the service logs, as parsed lines. */
export type LogLines = Record<string, unknown>[];

export interface InProcess<C extends Contract> {
  peer: Peer<C>;
  /** One request to the HTTP face. */
  send: (request: Request) => Promise<Response>;
  running: Awaited<ReturnType<ServiceDefinition<C>["create"]>>;
  log: LogLines;
  stop: () => Promise<void>;
}

/** Starts a service over its real peers. `directory` of the service is `<data_dir>/<name>`. */
export async function startInProcess<C extends Contract, P extends Record<string, Contract>>(
  definition: ServiceDefinition<C, P>,
  options: {
    config: Config;
    peers: Deps<P>["peers"];
    secrets?: Secrets;
    clock?: Clock;
    adopted?: Deps["adopted"];
  },
): Promise<InProcess<C>> {
  const { name } = definition.contract;
  const directory = join(options.config.data_dir, name);
  await makeDirectory(directory);
  const lines: LogLines = [];
  const log = createLog(name, "debug", (line) => lines.push(JSON.parse(line)));
  const metrics = createMetrics();
  const { adopted = () => false } = options;
  const marks = await openMarks({ dataDir: options.config.data_dir, service: name, clock: systemClock, log });
  const idempotency = await openIdempotency(directory, systemClock, { kept: { marks, adopted }, log });
  const newId = () => crypto.randomUUID();
  const { config, peers, secrets = { s3: () => undefined, provider: () => undefined } } = options;
  const { clock = systemClock } = options;
  const running = await definition
    .create({
      config,
      peers,
      secrets,
      clock,
      log,
      metrics,
      idempotency,
      newId,
      directory,
      marks,
      adopted,
      live: () => ({ auth: config.auth, log: config.log, provenance: { flags: [], keys: {} } }),
      system: () => [],
    })
    .catch(async (cause) => {
      await idempotency.close();
      await marks.close();
      throw cause;
    });
  const invoke = createInvoke(definition.contract, running.verbs, { idempotency, log });
  const gate = createGate(config.auth, "127.0.0.1");
  const notReady = () => running.notReady?.() ?? [];
  const face = createFace({
    name,
    gate,
    log,
    metrics,
    newId,
    notReady,
    clock,
    maxConnections: 1000,
    maxJsonBytes: 8 << 20,
  });
  face.verbs(definition.contract, invoke);
  face.raw(definition.contract, running.raw as unknown as Record<string, RawHandler>);
  const limits = { timeoutMs: 600_000, inFlightMax: 10_000 };
  return {
    peer: {
      verbs: client(definition.contract, overLocal(invoke, limits)),
      fetch: (path, init) => face.fetch(new Request(`http://localhost${path}`, init)),
    },
    send: (request) => face.fetch(request),
    running,
    log: lines,
    stop: async () => {
      await running.stop();
      await idempotency.close();
      await marks.close();
    },
  };
}
