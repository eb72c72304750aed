/** A proxy in front of a real server that fails on demand: answers 500, drops connections, cuts bodies off, changes them, falls silent. */
import { createServer, request as forward, type IncomingMessage, type ServerResponse } from "node:http";
import type { Socket } from "node:net";

export type Fault =
  /** Answers with the status; the server never sees the request. */
  | { kind: "status"; status: number; body?: string }
  /** Closes the connection; the server never sees the request. */
  | { kind: "drop" }
  /** The server carries the request out, and its answer is lost. */
  | { kind: "lose" }
  /** Passes on so many bytes of the answer's body, then closes the connection. */
  | { kind: "cut"; bytes: number }
  /** Passes on so many bytes of the answer's body, then says nothing more. */
  | { kind: "stall"; bytes: number }
  /** Flips the lowest bit of one byte of the answer's body; counted from its end when negative. */
  | { kind: "flip"; at: number }
  /** Never answers; the server never sees the request. */
  | { kind: "silent" };

/** A fault and the requests it befalls: the first `times` that match. */
export interface Rule {
  method?: string;
  /** Found in the request's path and query. */
  path?: RegExp;
  /** Only requests with `If-Match` or `If-None-Match`. */
  conditional?: true;
  times: number;
  fault: Fault;
}

export interface FaultyProxy {
  endpoint: string;
  /** Adds a rule; earlier ones go first. */
  add: (rule: Rule) => void;
  clear: () => void;
  /** `METHOD path` of the requests that came since the last `clear`. */
  seen: () => string[];
  stop: () => Promise<void>;
}

/** Starts the proxy on a free port. */
export async function startFaultyProxy(upstream: string): Promise<FaultyProxy> {
  const target = new URL(upstream);
  const sockets = new Set<Socket>();
  let rules: Rule[] = [];
  let seen: string[] = [];

  const faultOf = ({ method = "GET", url = "/", headers }: IncomingMessage): Fault | undefined => {
    const isConditional = "if-match" in headers || "if-none-match" in headers;
    const rule = rules.find(
      (each) =>
        each.times > 0 &&
        (each.method ?? method) === method &&
        (each.path?.test(url) ?? true) &&
        (isConditional || !each.conditional),
    );
    if (rule) rule.times -= 1;
    return rule?.fault;
  };
  const server = createServer((incoming, outgoing) => {
    seen.push(`${incoming.method} ${incoming.url}`);
    serve(target, { incoming, outgoing, fault: faultOf(incoming) });
  });
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => {});
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", resolve);
  await promise;
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : 0;
  return {
    endpoint: `http://127.0.0.1:${port}`,
    add: (rule) => rules.push({ ...rule }),
    clear: () => {
      rules = [];
      seen = [];
    },
    seen: () => seen,
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((done) => server.close(done));
    },
  };
}

interface Exchange {
  incoming: IncomingMessage;
  outgoing: ServerResponse;
  fault: Fault | undefined;
}

function serve(target: URL, { incoming, outgoing, fault }: Exchange): void {
  if (fault?.kind === "status") {
    incoming.resume();
    incoming.on("end", () => outgoing.writeHead(fault.status).end(fault.body ?? ""));
    return;
  }
  if (fault?.kind === "drop") return void incoming.socket.destroy();
  if (fault?.kind === "silent") return void incoming.resume();

  const { method, url, headers } = incoming;
  const options = {
    host: target.hostname,
    port: target.port,
    method,
    path: url,
    headers,
    agent: false,
  } as const;
  const upward = forward(options, (answer) => {
    if (fault?.kind === "lose") {
      answer.resume();
      answer.on("end", () => incoming.socket.destroy());
      return;
    }
    outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
    if (fault?.kind === "cut" || fault?.kind === "stall")
      return passSome(answer, outgoing, { fault, incoming });
    if (fault?.kind === "flip") return passFlipped(answer, outgoing, fault.at);
    answer.pipe(outgoing);
  });
  upward.on("error", () => incoming.socket.destroy());
  incoming.pipe(upward);
  outgoing.on("finish", () => {
    // A server may answer before it has read the body: the rest is dropped, for the next request on this connection.
    incoming.unpipe(upward);
    incoming.resume();
    upward.destroy();
  });
}

function passFlipped(answer: IncomingMessage, outgoing: ServerResponse, at: number): void {
  const length = Number(answer.headers["content-length"]);
  let left = at < 0 ? length + at : at;
  answer.on("data", (chunk: Buffer) => {
    if (left >= 0 && left < chunk.length) chunk[left] = (chunk[left] as number) ^ 1;
    left -= chunk.length;
    outgoing.write(chunk);
  });
  answer.on("end", () => outgoing.end());
}

function passSome(
  answer: IncomingMessage,
  outgoing: ServerResponse,
  { fault, incoming }: { fault: { kind: "cut" | "stall"; bytes: number }; incoming: IncomingMessage },
): void {
  let left = fault.bytes;
  answer.on("data", (chunk: Buffer) => {
    if (left <= 0) return;
    const part = chunk.subarray(0, left);
    left -= part.length;
    outgoing.write(part, () => {
      if (left <= 0 && fault.kind === "cut") incoming.socket.destroy();
    });
  });
  answer.on("end", () => {
    if (fault.kind === "cut" && left > 0) incoming.socket.destroy();
  });
}
