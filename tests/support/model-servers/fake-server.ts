/**
 * Model servers for tests: real HTTP servers in processes of their own, that speak a provider's API and have its
 * faults. This file is what they share: starting, holding answers back, and telling what arrived.
 */
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface Received {
  path: string;
  headers: Record<string, string>;
  body: Record<string, unknown>;
}

/** What a test sets: `failures` is how many calls fail before one succeeds, the rest is each server's own. */
export type Settings = Record<string, string | number | boolean>;

/** A server as its test sees it. */
export interface FakeServer {
  url: string;
  /** Calls that arrived since the last reset, control calls left out. */
  requests: () => Promise<Received[]>;
  set: (settings: Settings) => Promise<void>;
  /** Forgets what arrived and was set, and answers what was held. */
  reset: () => Promise<void>;
  /** From now on calls arrive and are not answered. */
  hold: () => Promise<void>;
  release: () => Promise<void>;
  /** Resolves when so many calls have arrived since the last reset. */
  arrived: (count: number) => Promise<void>;
  /** Resolves when so many callers have gone away before their answer. */
  gone: (count: number) => Promise<void>;
  stop: () => Promise<void>;
}

/** A vector that any text has, of length 1 and the same everywhere. */
export function fakeVector(text: string, dimension: number): number[] {
  const values = Array.from({ length: dimension }, (_, at) => {
    const byte =
      createHash("sha256")
        .update(`${at >> 5} ${text}`)
        .digest()[at & 31] ?? 0;
    return byte / 127.5 - 1;
  });
  const length = Math.hypot(...values);
  return values.map((value) => Math.fround(value / length));
}

/** What the stand-ins count as tokens. */
export const fakeTokens = (text: string): number => text.trim().split(/\s+/).length;

/** Starts a server file of this folder as a process, which ends with this one. */
export async function startFakeServer(file: string): Promise<FakeServer> {
  const started = Promise.withResolvers<string>();
  const child = Bun.spawn([process.execPath, new URL(file, import.meta.url).pathname], {
    stdout: "ignore",
    stderr: "inherit",
    ipc: (message: string) => started.resolve(message),
  });
  void child.exited.then((code) => started.reject(new Error(`${file} ended with ${code}`)));
  const url = await started.promise;
  const control = async (path: string, body: object = {}): Promise<unknown> => {
    const response = await fetch(`${url}/control/${path}`, { method: "POST", body: JSON.stringify(body) });
    return response.json();
  };
  const tell = async (path: string, body?: object) => void (await control(path, body));
  return {
    url,
    requests: async () => (await control("requests")) as Received[],
    set: (settings) => tell("set", settings),
    reset: () => tell("reset"),
    hold: () => tell("hold"),
    release: () => tell("release"),
    arrived: (count) => tell("arrived", { count }),
    gone: (count) => tell("gone", { count }),
    stop: async () => {
      child.kill();
      await child.exited;
    },
  };
}

/** That a call was answered: every path of a server gives one. */
export type Sent = "sent";

/** How a server answers one call. */
export interface Reply {
  json: (status: number, body: unknown, headers?: Record<string, string>) => Sent;
  text: (status: number, body: string) => Sent;
  /** Announces a body, sends half of it and closes the connection. */
  cut: (body: unknown) => Sent;
  settings: Settings;
  /** Counts `failures` down; true while there are any left. */
  failing: () => boolean;
}

interface State {
  requests: Received[];
  settings: Settings;
  gone: number;
  held: PromiseWithResolvers<void> | undefined;
  watchers: (() => void)[];
}

/** Runs a server in this process until it is killed or its parent ends. */
export function serveFake(answer: (call: Received, reply: Reply) => Sent): void {
  const state: State = { requests: [], settings: {}, gone: 0, held: undefined, watchers: [] };
  const server = createServer((request, response) => void serve(state, answer, request, response));
  server.listen(0, "127.0.0.1", () => {
    process.send?.(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  });
  process.on("disconnect", () => process.exit(0));
}

async function serve(
  state: State,
  answer: (call: Received, reply: Reply) => Sent,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString();
  const body = (text === "" ? {} : JSON.parse(text)) as Record<string, unknown>;
  const path = request.url ?? "";
  if (path.startsWith("/control/")) {
    const told = await controlled(state, path.slice("/control/".length), body);
    response.end(JSON.stringify(told));
    return;
  }
  const call: Received = { path, headers: request.headers as Record<string, string>, body };
  state.requests.push(call);
  let answered = false;
  response.on("close", () => {
    if (!answered) state.gone += 1;
    changed(state);
  });
  changed(state);
  if (state.held) await state.held.promise;
  answered = true;
  if (!response.destroyed) answer(call, replyOn(state, response));
}

const changed = (state: State): void => {
  for (const watcher of [...state.watchers]) watcher();
};

async function controlled(state: State, verb: string, body: Record<string, unknown>): Promise<unknown> {
  const count = Number(body.count);
  switch (verb) {
    case "requests":
      return state.requests;
    case "set":
      Object.assign(state.settings, body);
      return {};
    case "hold":
      state.held ??= Promise.withResolvers();
      return {};
    case "reset":
      Object.assign(state, { requests: [], settings: {}, gone: 0 });
      break;
    case "arrived":
      return until(state, () => state.requests.length >= count);
    case "gone":
      return until(state, () => state.gone >= count);
  }
  state.held?.resolve();
  state.held = undefined;
  return {};
}

function until(state: State, holds: () => boolean): Promise<object> {
  const { promise, resolve } = Promise.withResolvers<object>();
  const watcher = () => {
    if (!holds()) return;
    state.watchers = state.watchers.filter((other) => other !== watcher);
    resolve({});
  };
  state.watchers.push(watcher);
  watcher();
  return promise;
}

function replyOn(state: State, response: ServerResponse): Reply {
  const send = (status: number, body: string, headers: Record<string, string>): Sent => {
    response.writeHead(status, { ...headers, "content-length": Buffer.byteLength(body) });
    response.end(body);
    return "sent";
  };
  return {
    settings: state.settings,
    json: (status, body, headers = {}) =>
      send(status, JSON.stringify(body), { "content-type": "application/json", ...headers }),
    text: (status, body) => send(status, body, { "content-type": "text/plain" }),
    cut: (body) => {
      const whole = JSON.stringify(body);
      response.writeHead(200, { "content-type": "application/json", "content-length": whole.length });
      response.write(whole.slice(0, whole.length / 2), () => response.socket?.destroy());
      return "sent";
    },
    failing: () => {
      const left = Number(state.settings.failures ?? Number.POSITIVE_INFINITY);
      state.settings.failures = left - 1;
      return left > 0;
    },
  };
}
