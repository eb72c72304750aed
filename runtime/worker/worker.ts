/** The whole life of one service in its Worker: configuration and ports in, listen, ready, drain, exit. */

import { join } from "node:path";
import { parentPort } from "node:worker_threads";
import { parseBind, urlOf } from "../addresses/addresses.ts";
import { type AddressOf, createChangingGate, sameProcess } from "../auth/auth.ts";
import type { Config, ServiceSection } from "../config/config.ts";
import type { Contract, Running } from "../contract/contract.ts";
import { type Durable, errorCode, makeDirectory } from "../durable/durable.ts";
import { deepFreeze } from "../frozen/frozen.ts";
import { createAnswerHold, createFace, type Face, type RawHandler } from "../http/http.ts";
import { type Idempotency, openIdempotency, withKeys } from "../idempotency/idempotency.ts";
import { type Marks, openMarks } from "../marks/marks.ts";
import { counted, createInvoke, type Invoke } from "../rpc/rpc.ts";
import { systemClock, timestamp } from "../scheduling/scheduling.ts";
import { loadSecrets } from "../secrets/secrets.ts";
import {
  type Deps,
  type FolderState,
  type FromWorker,
  folderState,
  type Init,
  type Live,
  type PeerLink,
  refusingIdempotency,
  refusingService,
  type ServiceDefinition,
  type ServiceStatus,
  type ToWorker,
  withFolderState,
} from "../service/service.ts";
import { createAdoption } from "../store/store.ts";
import { createLog, createMetrics, describe, type Log } from "../telemetry/telemetry.ts";
import { createTracing } from "../tracing/tracing.ts";
import { createInbound, endCallers } from "./callers.ts";
import { durable, durableHandlers } from "./durable-endpoints.ts";
import { createLinks } from "./links.ts";

export { durable };

interface Parent {
  on: (event: "message", listener: (message: ToWorker) => void) => void;
  postMessage: (message: FromWorker) => void;
}

/** What the messages after `init` act on. */
interface Life {
  serve: (port: MessagePort) => void;
  relink: (name: string, link: PeerLink) => void;
  setSystem: (services: ServiceStatus[]) => void;
  reload: (live: Live) => void;
  drain: (ms: number) => void;
  stop: (drainMs: number) => Promise<void>;
}

/** The entry of every `worker.ts`. */
export function runService<C extends Contract, P extends Record<string, Contract> = Record<never, never>>(
  definition: ServiceDefinition<C, P>,
): void {
  const parent = parentPort as unknown as Parent | null;
  if (!parent)
    throw new Error(`${definition.contract.name} runs in a Worker: start it with bun run supervisor`);
  const send = (message: FromWorker) => parent.postMessage(message);
  const started = Promise.withResolvers<Life>();
  let log = createLog(definition.contract.name, "info");
  let ending = false;

  const end = async (drainMs: number) => {
    if (ending) return;
    ending = true;
    const life = await Promise.race([
      started.promise.catch(() => undefined),
      systemClock.sleep(100).then(() => undefined),
    ]);
    await life?.stop(drainMs).catch((error) => log.error("stop failed", describe(error)));
    send({ type: "closed" });
  };
  const die = (error: unknown) => {
    if (isLeakedHandle(error)) return log.error("a file was not closed", describe(error));
    log.error("unexpected failure: the service ends", describe(error));
    const code = errorCode(error);
    send({
      type: "fatal",
      message: error instanceof Error ? error.message : String(error),
      ...(code && { code }),
    });
    void end(0);
  };
  // An error that ends this thread while a native call is in flight would abort the whole process.
  process.on("uncaughtException", die);
  process.on("unhandledRejection", die);

  parent.on("message", (message) => {
    switch (message.type) {
      case "init":
        log = createLog(message.name, message.config.log.level);
        begin(definition, message, log).then(
          ({ life, port, asked }) => {
            started.resolve(life);
            send({ type: "ready", port, asked });
          },
          (error) => {
            started.reject(error);
            die(error);
          },
        );
        return;
      case "ping":
        return send({ type: "pong" });
      case "stop":
        return void end(message.drainMs);
      default:
        void started.promise.then(
          (life) => {
            act(life, message);
            if (message.type === "reload") send({ type: "reloaded" });
          },
          () => {},
        );
    }
  });
}

/**
 * Bun throws when it collects a handle that was never closed, which it closes itself: a defect to be reported, and no reason
 * to end what works. The error has no code.
 */
const isLeakedHandle = (error: unknown): boolean =>
  error instanceof Error &&
  error.message.startsWith("A FileHandle object was closed during garbage collection");

function act(life: Life, message: ToWorker): void {
  if (message.type === "serve") life.serve(message.port);
  if (message.type === "peer") life.relink(message.name, message.link);
  if (message.type === "system") life.setSystem(message.services);
  if (message.type === "reload") life.reload(message.live);
  if (message.type === "drain") life.drain(message.ms);
}

type Handlers = Record<string, RawHandler>;
type Readiness = Pick<Running<Contract>, "notReady" | "othersNotReady">;

const reasonsOf = async (
  running: Readiness,
  own: readonly string[],
  draining: boolean,
): Promise<string[]> => [
  ...own,
  ...(draining ? ["stopping"] : []),
  ...(running.notReady?.() ?? []),
  ...((await running.othersNotReady?.()) ?? []),
];

/** The supervisor will report the same; until then this service does not answer that it starts. */
const readyAt = (services: ServiceStatus[], name: string, address: string): ServiceStatus[] =>
  services.map((service) => (service.name === name ? { ...service, state: "ready", address } : service));

async function begin<C extends Contract, P extends Record<string, Contract>>(
  definition: ServiceDefinition<C, P>,
  init: Init,
  log: Log,
): Promise<{ life: Life; port: number; asked: string[] }> {
  const { contract } = definition;
  const [name, config] = [init.name, deepFreeze(init.config)];
  const section = config[name];
  const { peers, relink, present } = createLinks(definition.peers ?? ({} as P), init.peers, config);
  const adoption = createAdoption(init.adopted, log);
  const { adopted } = adoption;
  const { close, folder, ...own } = await openKept(name, config.data_dir, { log, adopted });
  const metrics = createMetrics();
  let [system, live] = [init.services, liveOf(init)];
  const deps: Deps<P> = {
    ...{ config, clock: systemClock, log, metrics, adopted, peers },
    secrets: loadSecrets(config.secrets_path),
    newId: () => crypto.randomUUID(),
    ...own,
    live: () => live,
    system: () => system,
  };

  const running = refusingService(definition, folder) ?? (await definition.create(deps));
  const tracing = createTracing({ ...deps, service: name, config: config.telemetry });
  const invoke = tracing.spanned(name, counted(contract, createInvoke(contract, running.verbs, deps), deps));
  const { host, port } = parseBind(section.bind);
  let draining = false;
  const notReady = () => reasonsOf(running, problemsOf(folder, own), draining);
  const answers = createAnswerHold(systemClock);
  const kept = keptBy(deps, name, running.durable, folder);
  const handlers = durableHandlers({ ...deps, name, durable: kept, answers, erase: running.erase });
  const { gate, addressOf, change } = createChangingGate(config.auth, host);
  const parts = { name, gate, notReady, answers, tracing };
  const face = createFace({ ...deps, ...parts, ...listenerLimits(section, addressOf) });
  mount(face, contract, { invoke, raw: running.raw as unknown as Handlers, kept: handlers.raw });
  definition.mount?.(face, deps);
  const listening = face.listen(host, port);
  system = readyAt(system, name, urlOf(section.bind, listening.port));
  const fetch = (request: Request) => face.fetch(request, sameProcess);
  const inbound = createInbound({ invoke, fetch, inFlightMax: config.rpc.in_flight_max });

  const life: Life = {
    serve: inbound.serve,
    relink,
    setSystem: (services) => {
      system = services;
    },
    reload: (next) => {
      live = next;
      change(next.auth);
      present(next.auth);
      log.setLevel(next.log.level);
    },
    drain: (ms) => {
      void running.drain?.();
      systemClock.after(ms, () => running.giveUp?.());
    },
    stop: async (drainMs) => {
      draining = true;
      answers.stop();
      await endCallers(drainMs, { running, listening, inbound });
      await handlers.stop();
      await running.stop();
      inbound.close();
      await Promise.all([tracing.stop(), close()]);
    },
  };
  return { life, port: listening.port, asked: adoption.asked() };
}

const liveOf = ({ config: { auth, log }, provenance }: Init): Live => ({ auth, log, provenance });

const problemsOf = (
  { reasons }: FolderState,
  { marks, idempotency }: { marks: Marks; idempotency: Idempotency },
): string[] => [...reasons, ...marks.problems(), ...idempotency.problems()];

const keptBy = (
  { idempotency }: { idempotency: Idempotency },
  name: string,
  own: Durable | undefined,
  folder: FolderState,
) => withFolderState(withKeys(idempotency.durable(name), own), name, folder);

/** What the runtime keeps for a service, and its folder. */
async function openKept(
  name: string,
  dataDir: string,
  { log, adopted }: { log: Log; adopted: (place: string) => boolean },
) {
  const directory = join(dataDir, name);
  await makeDirectory(directory);
  const folder = await folderState(name, { dataDir, now: () => timestamp(systemClock), log });
  const marks = await openMarks({ dataDir, service: name, clock: systemClock, log });
  const kept = { marks, adopted };
  const idempotency =
    refusingIdempotency(folder) ?? (await openIdempotency(directory, systemClock, { kept, log }));
  const close = async () => {
    await idempotency.close();
    await marks.close();
  };
  return { directory, folder, marks, idempotency, close };
}

/** The endpoints of a service, and those that every service has. */
function mount(
  face: Face,
  contract: Contract,
  { invoke, raw, kept }: { invoke: Invoke; raw: Handlers; kept: object },
): void {
  face.verbs(contract, invoke);
  face.raw(contract, raw);
  face.raw(durable, kept as Handlers, "", { unheld: true });
  face.rpc(invoke, contract);
}

/** What a listener takes, by its section. */
const listenerLimits = (section: Config[ServiceSection], addressOf: AddressOf) => ({
  maxConnections: section.max_connections,
  ...("token_in_query" in section && { tokenInQuery: section.token_in_query }),
  maxJsonBytes: section.max_json_bytes,
  headTimeoutMs: section.head_timeout_ms,
  bodyTimeoutMs: section.body_timeout_ms,
  perAddress: { max: section.max_requests_per_address, addressOf },
});
