/** The whole life of one service in its Worker: configuration and ports in, listen, ready, drain, exit. */

import { join } from "node:path";
import { parentPort } from "node:worker_threads";
import { createGate, tokensOf } from "./auth.ts";
import { systemClock } from "./clock.ts";
import { deepFreeze, parseBind, urlOf } from "./config.ts";
import type { Contract, Peer } from "./contract.ts";
import { errorCode, makeDirectory } from "./files.ts";
import { openIdempotency } from "./idempotency.ts";
import { counted, createInvoke } from "./invoke.ts";
import { createLog, describe, type Log } from "./log.ts";
import { createMetrics } from "./metrics.ts";
import type { FromWorker, Init, PeerLink, ToWorker } from "./protocol.ts";
import { type Call, type CallLimits, client, overPort, type PortTransport, servePort } from "./rpc.ts";
import { direct, overHttp } from "./rpc-http.ts";
import { loadSecrets } from "./secrets.ts";
import { createFace, type RawHandler } from "./serve.ts";
import type { Deps, ServiceDefinition, ServiceStatus } from "./service.ts";
import type { Config } from "./settings.ts";

interface Parent {
  on: (event: "message", listener: (message: ToWorker) => void) => void;
  postMessage: (message: FromWorker) => void;
}

/** What the messages after `init` act on. */
interface Life {
  serve: (port: MessagePort) => void;
  relink: (name: string, link: PeerLink) => void;
  setSystem: (services: ServiceStatus[]) => void;
  stop: (drainMs: number) => Promise<void>;
}

/** The entry of every `worker.ts`. */
export function runService<C extends Contract, P extends Record<string, Contract> = Record<never, never>>(
  definition: ServiceDefinition<C, P>,
): void {
  const parent = parentPort as unknown as Parent | null;
  if (!parent)
    throw new Error(`${definition.contract.name} runs in a Worker: start it with bun run supervisor`);
  const say = (message: FromWorker) => parent.postMessage(message);
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
    say({ type: "closed" });
  };
  const die = (error: unknown) => {
    log.error("unexpected failure: the service ends", describe(error));
    const code = errorCode(error);
    say({
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
          ({ life, port }) => {
            started.resolve(life);
            say({ type: "ready", port });
          },
          (error) => {
            started.reject(error);
            die(error);
          },
        );
        return;
      case "ping":
        return say({ type: "pong", n: message.n });
      case "stop":
        return void end(message.drainMs);
      default:
        void started.promise.then(
          (life) => act(life, message),
          () => {},
        );
    }
  });
}

function act(life: Life, message: ToWorker): void {
  if (message.type === "serve") life.serve(message.port);
  if (message.type === "peer") life.relink(message.name, message.link);
  if (message.type === "system") life.setSystem(message.services);
}

async function begin<C extends Contract, P extends Record<string, Contract>>(
  definition: ServiceDefinition<C, P>,
  init: Init,
  log: Log,
): Promise<{ life: Life; port: number }> {
  const { contract } = definition;
  const { name } = init;
  const config = deepFreeze(init.config);
  const section = config[name];
  const links = createLinks(definition.peers ?? ({} as P), init.peers, config);
  const directory = join(config.data_dir, name);
  await makeDirectory(directory);
  const idempotency = await openIdempotency(directory, systemClock);
  const metrics = createMetrics();
  const newId = () => crypto.randomUUID();
  const secrets = loadSecrets(config.secrets_path);
  let system = init.services;
  const deps: Deps<P> = {
    config,
    clock: systemClock,
    log,
    metrics,
    secrets,
    idempotency,
    newId,
    directory,
    peers: links.peers,
    system: () => system,
  };

  const running = await definition.create(deps);
  const invoke = counted(contract, createInvoke(contract, running.verbs, { idempotency, log }), {
    metrics,
    clock: systemClock,
  });
  const { host, port } = parseBind(section.bind);
  let draining = false;
  const notReady = () => [...(draining ? ["stopping"] : []), ...(running.notReady?.() ?? [])];
  const gate = createGate(config.auth, host);
  const limits = { maxConnections: section.max_connections, maxJsonBytes: section.max_json_bytes };
  const face = createFace({ name, gate, log, metrics, newId, notReady, clock: systemClock, ...limits });
  face.verbs(contract, invoke);
  face.raw(contract, running.raw as unknown as Record<string, RawHandler>);
  face.rpc(invoke);
  definition.mount?.(face, deps);
  const listening = face.listen(host, port);
  // The supervisor will say the same; until its word arrives, whoever asks this service is not told that it starts.
  const address = urlOf(section.bind, listening.port);
  system = system.map((service) =>
    service.name === name ? { ...service, state: "ready", address } : service,
  );
  const inbound = new Map<MessagePort, { idle: () => Promise<void> }>();
  const fetch = (request: Request) => face.fetch(request, "127.0.0.1");

  const life: Life = {
    serve: (peerPort) => {
      inbound.set(peerPort, servePort(peerPort, { invoke, fetch, inFlightMax: config.rpc.in_flight_max }));
    },
    relink: links.relink,
    setSystem: (services) => {
      system = services;
    },
    stop: async (drainMs) => {
      draining = true;
      running.drain?.();
      const served = [listening.close(drainMs), ...[...inbound.values()].map(({ idle }) => idle())];
      if (drainMs === 0) for (const peerPort of inbound.keys()) peerPort.close();
      await Promise.race([Promise.all(served), systemClock.sleep(drainMs)]);
      await running.stop();
      for (const peerPort of inbound.keys()) peerPort.close();
      await idempotency.close();
    },
  };
  return { life, port: listening.port };
}

/** The clients of a service's peers, which live on while the peers are replaced behind them. */
function createLinks<P extends Record<string, Contract>>(
  contracts: P,
  given: Record<string, PeerLink>,
  config: Config,
) {
  const limits: CallLimits = { timeoutMs: config.rpc.timeout_ms, inFlightMax: config.rpc.in_flight_max };
  const [token] = tokensOf(config.auth);
  const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const urls = new Map<string, string>();
  const ports = new Map<string, PortTransport>();
  const relink = (name: string, { url, port }: PeerLink) => {
    urls.set(name, url);
    if (port) ports.get(name)?.attach(port);
    else ports.get(name)?.detach(`${name} is not running`);
  };

  const peers = Object.fromEntries(
    Object.entries(contracts).map(([name, contract]): [string, Peer<Contract>] => {
      const link = given[name];
      if (!link) throw new Error(`topology.ts does not let this service call ${name}`);
      const url = () => urls.get(name) ?? link.url;
      const transport = overPort(name, limits);
      if (link.local) ports.set(name, transport);
      relink(name, link);
      if (link.local)
        return [
          name,
          { verbs: client(contract, transport.call), fetch: authorized(transport.fetch, headers) },
        ];
      const call: Call = overHttp({ peer: name, url, headers }, limits);
      return [name, { verbs: client(contract, call), fetch: authorized(overSocket(url), headers) }];
    }),
  ) as unknown as { [N in keyof P]: Peer<P[N]> };
  return { peers, relink };
}

type Fetch = Peer<Contract>["fetch"];

const authorized =
  (fetch: Fetch, auth: Record<string, string>): Fetch =>
  (path, init = {}) => {
    const headers = new Headers(init.headers);
    for (const [name, value] of Object.entries(auth)) headers.set(name, value);
    return fetch(path, { ...init, headers });
  };

/** Bytes pass as they are: decoding them here would leave a content-encoding header that no longer holds. */
const overSocket =
  (url: () => string): Fetch =>
  (path, init = {}) =>
    fetch(url() + path, { ...init, ...direct, redirect: "manual", decompress: false } as RequestInit);
