/** The MCP server as a process of its own: under the official client, or spoken to line by line. */
import { join } from "node:path";
import {
  type CallToolResult,
  Client,
  type ClientOptions,
  type RequestOptions,
  StreamableHTTPClientTransport,
} from "@modelcontextprotocol/client";
import { getDefaultEnvironment, StdioClientTransport } from "@modelcontextprotocol/client/stdio";

const main = join(import.meta.dir, "../../../api/mcp/main.ts");

export interface SessionOptions {
  gateway: string;
  flags?: readonly string[];
  env?: Record<string, string>;
  client?: ClientOptions;
}

export interface Answer {
  isError: boolean;
  text: string;
  /** The structured content; empty when there is none. */
  data: Record<string, unknown>;
}

export interface Session {
  client: Client;
  pid: number;
  /** Calls a tool and gives its answer, whether good or `isError`. */
  call: (name: string, input?: Record<string, unknown>, options?: RequestOptions) => Promise<Answer>;
  /** What it wrote to stderr so far. */
  log: () => string;
  close: () => Promise<void>;
}

/** A session of the official client; `tools/list` was read, so that the client checks each answer's schema. */
export async function startSession({
  gateway,
  flags = [],
  env = {},
  client,
}: SessionOptions): Promise<Session> {
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [main, "--gateway", gateway, ...flags],
    env: { ...getDefaultEnvironment(), ...env },
    stderr: "pipe",
  });
  let log = "";
  transport.stderr?.on("data", (chunk) => {
    log += chunk;
  });
  const official = new Client({ name: "test", version: "1" }, client);
  await official.connect(transport);
  await official.listTools();
  return {
    client: official,
    pid: transport.pid ?? 0,
    call: async (name, input = {}, options) =>
      answerOf(await official.callTool({ name, arguments: input }, options)),
    log: () => log,
    close: () => official.close(),
  };
}

/** The same client at the gateway's /mcp; `headers` go with every request. */
export async function startHttpSession({
  gateway,
  headers = {},
  client,
}: {
  gateway: string;
  headers?: Record<string, string>;
  client?: ClientOptions;
}): Promise<Omit<Session, "pid" | "log"> & { transport: StreamableHTTPClientTransport }> {
  const transport = new StreamableHTTPClientTransport(new URL("/mcp", gateway), { requestInit: { headers } });
  const official = new Client({ name: "test", version: "1" }, client);
  await official.connect(transport);
  await official.listTools();
  return {
    client: official,
    transport,
    call: async (name, input = {}, options) =>
      answerOf(await official.callTool({ name, arguments: input }, options)),
    close: async () => {
      await transport.terminateSession();
      await official.close();
    },
  };
}

const answerOf = ({ content, isError, structuredContent }: CallToolResult): Answer => ({
  isError: isError === true,
  text: content.map((part) => (part.type === "text" ? part.text : "")).join("\n"),
  data: (structuredContent ?? {}) as Record<string, unknown>,
});

type Message = Record<string, unknown> & { id?: unknown; method?: string };

export interface Lines {
  /** Writes one line, whatever it is. */
  write: (line: string | Uint8Array) => void;
  /** Sends a request and waits for the answer with its id. */
  request: (method: string, params?: unknown, id?: number | string) => Promise<Message>;
  /** Says hello as clients of the older protocol do. */
  initialize: () => Promise<Message>;
  /** Every line of stdout so far. */
  stdout: () => string[];
  stderr: () => string;
  /** Closes stdin and gives the exit code. */
  end: () => Promise<number>;
  kill: (signal: NodeJS.Signals) => void;
  exited: Promise<number>;
}

/** The server without a client: its lines are seen as they are. */
export function startLines(flags: readonly string[], env: Record<string, string> = {}): Lines {
  const child = Bun.spawn([process.execPath, main, ...flags], {
    env: { ...getDefaultEnvironment(), ...env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  const lines: string[] = [];
  const waiting = new Map<unknown, (message: Message) => void>();
  let stderr = "";
  const take = (line: string): void => {
    lines.push(line);
    const message = JSON.parse(line) as Message;
    if (message.method === undefined) waiting.get(message.id)?.(message);
  };
  const reading = (async () => {
    let rest = "";
    const decoder = new TextDecoder();
    for await (const chunk of child.stdout) {
      const parts = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = parts.pop() ?? "";
      for (const line of parts) take(line);
    }
    if (rest !== "") lines.push(rest);
  })();
  const logging = (async () => {
    const decoder = new TextDecoder();
    for await (const chunk of child.stderr) stderr += decoder.decode(chunk, { stream: true });
  })();
  const write = (line: string | Uint8Array): void => {
    child.stdin.write(line);
    child.stdin.write("\n");
    child.stdin.flush();
  };
  let next = 1;
  const exited = child.exited.then(async (code) => {
    await Promise.all([reading, logging]);
    return code;
  });
  const request: Lines["request"] = (method, params = {}, id = next++) => {
    const { promise, resolve, reject } = Promise.withResolvers<Message>();
    waiting.set(id, resolve);
    exited.then((code) =>
      reject(new Error(`it ended with ${code} before it answered: ${stderr.slice(-2000)}`)),
    );
    write(JSON.stringify({ jsonrpc: "2.0", id, method, params }));
    return promise;
  };
  return {
    write,
    request,
    initialize: async () => {
      const clientInfo = { name: "lines", version: "1" };
      const answer = await request("initialize", {
        protocolVersion: "2025-06-18",
        capabilities: {},
        clientInfo,
      });
      write(JSON.stringify({ jsonrpc: "2.0", method: "notifications/initialized" }));
      return answer;
    },
    stdout: () => lines,
    stderr: () => stderr,
    end: async () => {
      await child.stdin.end();
      return exited;
    },
    kill: (signal) => child.kill(signal),
    exited,
  };
}
