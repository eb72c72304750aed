/** chatd in this thread over a model server in a process of its own. */
import { join } from "node:path";
import type { Config } from "../../../runtime/config/settings.ts";
import { chatd } from "../../../workers/chatd/contract.ts";
import { createChatd } from "../../../workers/chatd/service.ts";
import type { Counted, ModelRequest, ModelSettings } from "../model-servers/model-server.ts";
import { type PatientClock, patientClock } from "../product/patient-clock.ts";
import { configWith, type InProcess, startInProcess, temporaryDirectory } from "./in-process.ts";

/** The model server as its test sees it. */
export interface ModelServer {
  url: string;
  set: (settings: ModelSettings) => Promise<void>;
  reset: () => Promise<void>;
  requests: () => Promise<ModelRequest[]>;
  counted: () => Promise<Counted>;
  /** Resolves when the counts are these. */
  until: (counts: Partial<Counted>) => Promise<void>;
  /** Lets the model `held` go on, and `cut@2` be cut. */
  release: () => Promise<void>;
  stop: () => Promise<void>;
}

export async function startModelServer(): Promise<ModelServer> {
  const file = new URL("../model-servers/model-server.ts", import.meta.url).pathname;
  const child = Bun.spawn([process.execPath, file], { stdin: "pipe", stdout: "pipe", stderr: "inherit" });
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  const url = new TextDecoder().decode(value).trim();
  const control = async (verb: string, body: object = {}): Promise<unknown> =>
    (
      await fetch(`${url}/control/${verb}`, { method: "POST", body: JSON.stringify(body), keepalive: false })
    ).json();
  return {
    url,
    set: async (settings) => void (await control("set", settings)),
    reset: async () => void (await control("reset")),
    requests: async () => (await control("requests")) as ModelRequest[],
    counted: async () => (await control("counted")) as Counted,
    until: async (counts) => void (await control("until", counts)),
    release: async () => void (await control("release")),
    stop: async () => {
      child.kill();
      await child.exited;
    },
  };
}

/** The key of `other` and `ollama_keyed`: it may be nowhere but at the model server. */
export const chatKey = "sk-chat-hidden-0123456789abcdef";

export interface ChatdStack {
  service: InProcess<typeof chatd>;
  models: ModelServer;
  /** Of all its services: limits run out when the test says so. */
  clock: PatientClock;
  /** Another service over the same server. */
  another: (changes: Changes) => Promise<InProcess<typeof chatd>>;
  /** Sends JSON to a path. */
  post: (path: string, body: unknown, init?: RequestInit) => Promise<Response>;
  stop: () => Promise<void>;
}

type Tables = Record<string, Record<string, unknown>>;
export interface Changes {
  chatd?: Partial<Config["chatd"]>;
  providers?: Tables;
  models?: Tables;
  keys?: Record<string, string>;
  directory?: string;
}

/** `ollama` and `other` (OpenAI's API, with a key) at the model server, `nowhere` where nobody listens. */
export async function startChatdStack(changes: Changes = {}): Promise<ChatdStack> {
  const directory = temporaryDirectory("chatd");
  const models = await startModelServer();
  const clock = patientClock();
  const services: InProcess<typeof chatd>[] = [];
  const another = async ({
    chatd: section = {},
    providers = {},
    models: named = {},
    keys = {},
    directory: own,
  }: Changes) => {
    const config = configWith({
      // Each has spending of its own.
      data_dir: own ?? join(directory.path, String(services.length)),
      // The limit on tokens ends before that on the whole.
      chatd: {
        retries: 1,
        retry_wait_ms: 20,
        first_token_timeout_ms: 100_000,
        idle_timeout_ms: 100_000,
        ...section,
      },
      providers: {
        ollama: { base_url: models.url },
        openai: { enabled: false },
        ollama_cloud: { enabled: false },
        openrouter: { enabled: false },
        opencode: { enabled: false },
        kimi: { enabled: false },
        other: { kind: "openai", base_url: `${models.url}/v1`, needs_key: true },
        nowhere: { kind: "openai", base_url: "http://127.0.0.1:1/v1" },
        ...providers,
      },
      models: named,
    });
    const secrets = { s3: () => undefined, provider: (name: string) => ({ other: chatKey, ...keys })[name] };
    const service = await startInProcess(
      { contract: chatd, create: createChatd },
      { config, peers: {}, secrets, clock },
    );
    services.push(service);
    return service;
  };
  const service = await another(changes);
  return {
    service,
    models,
    clock,
    another,
    post: (path, body, init) => postTo(service, path, body, init),
    stop: async () => {
      for (const each of services) await each.stop();
      await models.stop();
      directory.remove();
    },
  };
}

/** Sends JSON to a path of a service in this thread. */
export const postTo = (
  service: InProcess<typeof chatd>,
  path: string,
  body: unknown,
  init: RequestInit = {},
) =>
  service.send(
    new Request(`http://localhost${path}`, {
      method: "POST",
      body: JSON.stringify(body),
      ...init,
      headers: { "content-type": "application/json", ...(init.headers as Record<string, string>) },
    }),
  );

/** A user's question. */
export const ask = (model: string, more: object = {}) => ({
  model,
  messages: [{ role: "user", content: "what is the answer?" }],
  ...more,
});
