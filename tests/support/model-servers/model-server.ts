/**
 * A model server as a process: Ollama's native API and OpenAI's, with a fault chosen by the model's name. `cut@2` sends
 * two tokens and then closes the connection; `busy` fails at once, `busy*2` only the first two times. Started by
 * `startModelServer`; `bun tests/support/model-servers/model-server.ts` prints its address.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import { type Dialect, ollama, ollamaText, openai, openaiText, type Said } from "./dialects.ts";

/** What a test sets. */
export interface ModelSettings {
  /** Answers 401 to any other, and repeats the key that came. */
  key?: string;
  /** In seconds, or any text: sent with 429 and 503. */
  retryAfter?: string;
  /** Between two tokens. */
  delayMs?: number;
  text?: string;
}

export interface ModelRequest {
  path: string;
  headers: Record<string, string>;
  body: Record<string, unknown>;
  /** When the caller went away before the answer was whole, in milliseconds since the epoch. */
}

export interface Counted {
  /** Sockets, those that idle between two requests among them. */
  connections: number;
  /** Requests whose answer is not at its end. */
  active: number;
  /** Answers that wait for `release`. */
  held: number;
  cancelled: number;
  requests: number;
}

interface State {
  settings: ModelSettings;
  requests: ModelRequest[];
  /** Calls of each model name, for faults that pass. */
  calls: Map<string, number>;
  counted: Counted;
  held: PromiseWithResolvers<void>;
  watchers: Set<() => void>;
}

const state: State = {
  settings: {},
  requests: [],
  calls: new Map(),
  counted: { connections: 0, active: 0, held: 0, cancelled: 0, requests: 0 },
  held: Promise.withResolvers(),
  watchers: new Set(),
};

async function hold(): Promise<void> {
  state.counted.held += 1;
  changed();
  await state.held.promise;
  state.counted.held -= 1;
}

const changed = (): void => {
  for (const watch of [...state.watchers]) watch();
};

/** Resolves when the count is what is asked for. */
const until = (holds: () => boolean): Promise<void> =>
  new Promise((resolve) => {
    const watch = () => {
      if (!holds()) return;
      state.watchers.delete(watch);
      resolve();
    };
    state.watchers.add(watch);
    watch();
  });

interface Fault {
  kind: string;
  /** Tokens before it. */
  after: number;
}

/** `cut@2` or `cut*1@2`: the fault of this call, or none when it has passed. */
function faultOf(model: string): Fault {
  const [, kind = "", times, after] =
    /^(?:.*\/)?([a-z-]+)(?:\*(\d+))?(?:@(\d+))?(?::latest)?$/.exec(model) ?? [];
  const calls = (state.calls.get(model) ?? 0) + 1;
  state.calls.set(model, calls);
  const hasPassed = times !== undefined && calls > Number(times);
  return { kind: hasPassed ? "good" : kind, after: Number(after ?? 0) };
}

const statuses: Record<string, [status: number, words: string, code?: string]> = {
  busy: [429, "Rate limit reached for requests", "rate_limit_exceeded"],
  full: [503, "server busy, please try again.  maximum pending requests exceeded"],
  broken: [500, "The server had an error while processing your request"],
  missing: [404, "model 'missing' not found"],
  refused: [400, "Invalid value for 'temperature'"],
  long: [400, "This model's maximum context length is 64 tokens, however you requested 70 tokens"],
  poor: [402, "Insufficient credits"],
  forbidden: [403, "Your key may not use this model"],
  moved: [302, "over there"],
};

async function chat(dialect: Dialect, call: ModelRequest, response: ServerResponse): Promise<void> {
  const { body, headers } = call;
  const fault = faultOf(String(body.model));
  const { key, retryAfter } = state.settings;
  if (key !== undefined && headers.authorization !== `Bearer ${key}`)
    return json(
      response,
      401,
      dialect.error(`Incorrect API key provided: ${headers.authorization}`, "invalid_api_key"),
    );
  const [status, words, code] = statuses[fault.kind] ?? [];
  if (status !== undefined) {
    const more: Record<string, string> = retryAfter === undefined ? {} : { "retry-after": retryAfter };
    if (status === 302) more.location = "http://127.0.0.1:1/elsewhere";
    return json(response, status, dialect.error(`${words} (${headers.authorization})`, code), more);
  }
  if (fault.kind === "page") {
    response.writeHead(500, { "content-type": "text/html" });
    response.end(`<html><body><h1>Oops</h1>${"<p>padding</p>".repeat(400)}</body></html>`);
    return;
  }
  const said = dialect.answer(body, fault.kind, state.settings.text);
  if ("refusal" in said) return json(response, 400, dialect.error(said.refusal));
  if (body.stream === true) await stream({ dialect, call, response, fault, said });
  else await whole({ dialect, call, response, fault, said });
}

interface Answering {
  dialect: Dialect;
  call: ModelRequest;
  response: ServerResponse;
  fault: Fault;
  said: Said;
}

/** 64 MiB of spaces, as 64 KiB of gzip. */
let bomb: Uint8Array | undefined;
function sendBomb(response: ServerResponse, type: string): void {
  bomb ??= gzipSync(Buffer.alloc(64 * 1024 * 1024, " "));
  response.writeHead(200, { "content-type": type, "content-encoding": "gzip" });
  response.end(bomb);
}

async function whole({ dialect, call, response, fault, said }: Answering): Promise<void> {
  const text = JSON.stringify(dialect.whole(said));
  if (fault.kind === "hang") return;
  if (fault.kind === "bomb") return sendBomb(response, "application/json");
  if (fault.kind === "coded") {
    response.writeHead(200, { "content-type": "application/json", "content-encoding": "gzip" });
    return void response.end(gzipSync(text));
  }
  // Half to one and a half of the delay, in an order that is always the same: equal ones would march in step.
  if (fault.kind === "slow")
    await Bun.sleep((state.settings.delayMs ?? 50) * (0.5 + ((state.counted.requests * 0.618) % 1)));
  if (fault.kind === "held") await hold();
  if (fault.kind === "malformed") return plain(response, '{"choices": [{"mess');
  if (fault.kind === "strange") return plain(response, '{"hello":"world"}');
  if (fault.kind === "silent") return plain(response, "");
  if (fault.kind === "error")
    return json(response, 200, dialect.error(`it went wrong (${call.headers.authorization})`));
  if (fault.kind === "huge") return plain(response, JSON.stringify({ text: "x".repeat(3_000_000) }));
  if (fault.kind === "cut") {
    response.writeHead(200, { "content-type": "application/json", "content-length": text.length });
    response.write(text.slice(0, text.length / 2), () => response.socket?.destroy());
    return;
  }
  plain(response, text);
}

async function stream({ dialect, call, response, fault, said }: Answering): Promise<void> {
  const lines = dialect.lines(said, call.body);
  const delayMs = state.settings.delayMs ?? (fault.kind === "slow" ? 50 : 0);
  if (fault.kind === "hang" && fault.after === 0) return;
  if (fault.kind === "strange") return plain(response, "<html>welcome</html>");
  if (fault.kind === "bomb") return sendBomb(response, dialect.streamType);
  if (fault.kind === "coded") {
    response.writeHead(200, { "content-type": dialect.streamType, "content-encoding": "gzip" });
    return void response.end(gzipSync(lines.join("")));
  }
  response.writeHead(200, { "content-type": dialect.streamType });
  if (fault.kind === "good" && delayMs === 0) return void response.end(lines.join(""));
  if (fault.kind === "huge") return void response.end(lines[0]?.replace("the", "x".repeat(3_000_000)));
  for (const [at, line] of lines.entries()) {
    if (response.destroyed) return;
    if (at === fault.after && fault.kind !== "good" && fault.kind !== "slow") {
      if (fault.kind === "hang") return void response.flushHeaders();
      if (fault.kind === "held") await hold();
      if (fault.kind === "cut") {
        // A connection that is reset loses what was not read: it is when the test has read.
        if (fault.after > 0) await hold();
        return void response.socket?.destroy();
      }
      if (fault.kind === "silent") return void response.end();
      if (fault.kind === "malformed") return void response.end(dialect.malformed);
      if (fault.kind === "error")
        return void response.end(dialect.errorEvent(`it went wrong (${call.headers.authorization})`));
    }
    response.write(line);
    if (delayMs > 0) await Bun.sleep(delayMs);
    else await new Promise((resolve) => setImmediate(resolve));
  }
  response.end();
}

const json = (
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void => {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(JSON.stringify(body));
};

const plain = (response: ServerResponse, body: string): void => {
  response.writeHead(200, { "content-type": "application/json", "content-length": Buffer.byteLength(body) });
  response.end(body);
};

async function control(verb: string, body: Record<string, unknown>): Promise<unknown> {
  const { counted } = state;
  if (verb === "set") Object.assign(state.settings, body);
  if (verb === "requests") return state.requests;
  if (verb === "release") {
    state.held.resolve();
    state.held = Promise.withResolvers();
  }
  if (verb === "reset") {
    Object.assign(state, { settings: {}, requests: [] });
    state.calls.clear();
    Object.assign(counted, { cancelled: 0, requests: 0 });
    state.held.resolve();
    state.held = Promise.withResolvers();
  }
  if (verb === "until")
    await until(() =>
      Object.entries(body).every(([name, value]) => counted[name as keyof Counted] === value),
    );
  return counted;
}

const dialects: Record<string, Dialect> = {
  "/api/chat": ollama,
  "/api/generate": ollamaText,
  "/v1/chat/completions": openai,
  "/v1/completions": openaiText,
};

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  const text = Buffer.concat(parts).toString();
  const body = (text === "" ? {} : JSON.parse(text)) as Record<string, unknown>;
  const path = request.url ?? "";
  if (path.startsWith("/control/"))
    return json(response, 200, await control(path.slice("/control/".length), body));
  const call: ModelRequest = { path, headers: request.headers as Record<string, string>, body };
  const dialect = dialects[path];
  if (dialect) {
    state.requests.push(call);
    state.counted.requests += 1;
    state.counted.active += 1;
    response.on("close", () => {
      state.counted.active -= 1;
      if (!response.writableFinished && !response.writableEnded) {
        state.counted.cancelled += 1;
      }
      changed();
    });
    changed();
    return chat(dialect, call, response);
  }
  if (path === "/v1/embeddings" || path === "/api/embed") {
    state.requests.push(call);
    const { input } = body as { input: string | unknown[] };
    const count = typeof input === "string" || typeof input[0] === "number" ? 1 : input.length;
    const vectors = Array.from({ length: count }, () => [0.6, 0.8]);
    if (path === "/api/embed") return json(response, 200, { model: body.model, embeddings: vectors });
    const data = vectors.map((embedding, index) => ({ object: "embedding", index, embedding }));
    return json(response, 200, { object: "list", data, model: body.model, usage: { prompt_tokens: 1 } });
  }
  const names = ["good", "tools", "busy"];
  if (path === "/v1/models")
    return json(response, 200, {
      object: "list",
      data: names.map((id) => ({ id, object: "model", created: 1, owned_by: "tests" })),
    });
  if (path === "/api/tags")
    return json(response, 200, { models: names.map((name) => ({ name, model: name })) });
  if (path === "/api/show") return json(response, 200, { model_info: { "llama.context_length": 64 } });
  if (path === "/api/version") return json(response, 200, { version: "0.32.9" });
  response.writeHead(404).end("404 page not found");
}

if (import.meta.main) {
  const server = createServer((request, response) => {
    serve(request, response).catch(() => response.destroy());
  });
  server.keepAliveTimeout = 60_000;
  server.on("connection", (socket) => {
    state.counted.connections += 1;
    socket.on("close", () => {
      state.counted.connections -= 1;
      changed();
    });
  });
  server.listen(0, "127.0.0.1", () => {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    process.stdout.write(`${url}\n`);
  });
  // Whoever started it holds the other end of its input.
  process.stdin.on("end", () => process.exit(0));
  process.stdin.resume();
}
