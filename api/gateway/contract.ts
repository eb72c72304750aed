/** The gateway's own endpoints; those of the services are mounted beside them under /v1. */
import {
  closed,
  contract,
  ErasureReported,
  ErasureRequest,
  Events,
  erasureReasons,
  get,
  post,
  raw,
  t,
} from "../../runtime/contract/contract.ts";
import { Maintenance } from "../../workers/ingestd/contract.ts";

const Service = closed({
  name: t.String(),
  state: t.String({
    description: "starting, ready, not_ready, hung, restarting, failed, stopping, stopped or unreachable",
  }),
  address: t.String(),
  uptime_seconds: t.Optional(t.Number()),
  restarts: t.Optional(t.Integer()),
  latency_ms: t.Optional(
    t.Number({ minimum: 0, description: "What it took to say that it is ready, asked by the gateway." }),
  ),
  last_error: t.Optional(t.String()),
});

export const Memory = closed({
  available_bytes: t.Number({ description: "The machine's, or the least limit of its control groups." }),
  planned_bytes: t.Number({ description: "All parts together, when each is at its limit." }),
  resident_bytes: t.Number({ description: "Of this process, without its child processes." }),
  parts: t.Array(
    closed({
      name: t.String({ description: "The setting that bounds it." }),
      what: t.String(),
      limit_bytes: t.Number(),
      used_bytes: t.Optional(t.Number()),
    }),
  ),
});

const erasureState = t.Union([t.Literal("done"), t.Literal("open")], {
  description: "Open while some service has yet to do it: it goes on by itself, after a restart too.",
});
const erasedServices = t.Array(
  closed({
    service: t.String(),
    state: erasureState,
    problem: t.Optional(t.String({ description: "Why it is open." })),
    ...ErasureReported.properties,
  }),
);

/** What is kept of an erasure: whom it was about is not. */
export const Erasure = closed({
  id: t.String(),
  at: t.String({ format: "date-time" }),
  who: erasureReasons.who,
  why: erasureReasons.why,
  state: erasureState,
  ended: t.Optional(t.String({ format: "date-time" })),
  services: erasedServices,
});
const Setting = closed({
  key: t.String({ description: "As gateway.bind." }),
  doc: t.String(),
  source: t.String({ description: "default, or the file, the variable or the flag that it came from." }),
  value: t.Optional(t.Unknown({ description: "Absent where it is a secret." })),
  default: t.Optional(t.Unknown()),
  is_set: t.Optional(t.Boolean({ description: "Of a secret alone: whether there is one." })),
});

/** As `bun run doctor --json` prints it. */
const Check = closed({
  name: t.String(),
  required: t.Boolean(),
  state: t.Union([t.Literal("ok"), t.Literal("missing")]),
  found: t.String(),
  fix: t.Optional(t.String()),
});

const count = t.Integer({ minimum: 0 });
/** One backup of a directory of them, as `bun run backup --list --json` prints it. */
const Point = closed({
  point: t.String(),
  files: t.Optional(count),
  bytes: t.Optional(count),
  damaged: t.Optional(
    t.Array(t.Unknown(), { description: "Files that could not be read, and are not in it." }),
  ),
  problem: t.Optional(t.String({ description: "Why it cannot be used." })),
});

const LogLine = t.Object(
  { time: t.String(), level: t.String(), service: t.String(), msg: t.String() },
  { additionalProperties: true },
);
const Level = t.Union((["debug", "info", "warn", "error"] as const).map((level) => t.Literal(level)));

const RpcMessage = t.Object(
  { jsonrpc: t.Literal("2.0") },
  { description: "A message of JSON-RPC 2.0, as the Model Context Protocol has it." },
);
/** RFC 9728 §3.1: the path of the resource stands behind the well-known one. */
export const mcpPath = "/mcp";
const metadataPath = `/.well-known/oauth-protected-resource${mcpPath}`;

export const gateway = contract("gateway", {
  mcp: raw(["GET", "POST", "DELETE"], mcpPath, {
    errors: "json-rpc",
    foreign: true,
    metadataPath,
    summary:
      "The Model Context Protocol over Streamable HTTP: POST a message, GET what the server sends by itself, DELETE the session.",
    headers: {
      "mcp-session-id": "The session, as the answer to initialize names it.",
      "mcp-protocol-version": "The protocol's version that was agreed on.",
      "last-event-id": "The last event that came: what was missed since is sent.",
    },
    answerHeaders: { "mcp-session-id": "The session." },
    consumes: { "application/json": RpcMessage },
    produces: {
      "application/json": RpcMessage,
      "text/event-stream": Events("Messages of JSON-RPC; each may be asked for again by its id."),
    },
    statuses: [200, 202],
    refusals: [404, 406, 409, 413, 415, 429],
  }),
  mcpMetadata: raw(["GET"], metadataPath, {
    foreign: true,
    open: true,
    summary: "What /mcp is, and how its tokens are given (RFC 9728).",
    produces: {
      "application/json": closed({
        resource: t.String(),
        resource_name: t.String(),
        bearer_methods_supported: t.Array(t.Literal("header")),
      }),
    },
  }),
  settings: get("/v1/system/settings", {
    summary: "Every setting with its value, and where that came from. Of secrets only whether there is one.",
    reply: closed({ settings: t.Array(Setting) }),
  }),
  log: get("/v1/system/log", {
    summary:
      "The newest lines of the services' logs, the newest first. Each keeps 256 KiB of them; all of them are on stderr.",
    query: closed({
      service: t.Optional(t.String({ maxLength: 64, description: "Of this service alone." })),
      level: t.Optional(Level),
      limit: t.Optional(t.Integer({ minimum: 1, maximum: 1000, description: "200 unless given." })),
    }),
    reply: closed({
      lines: t.Array(LogLine),
      away: t.Array(t.String(), { description: "Services that do not answer." }),
    }),
  }),
  doctor: post("/v1/system/doctor", {
    reads: true,
    long: true,
    summary:
      "Probes all that Lakehouse depends on, on the gateway's machine, as `bun run doctor` does: what is missing, and its fix.",
    body: closed({}),
    reply: closed({ ok: t.Boolean(), checks: t.Array(Check) }),
  }),
  backups: get("/v1/system/backups", {
    refusals: [409],
    summary: "The backups in `gateway.backup_dir`, oldest first.",
    reply: closed({
      directory: t.Optional(t.String({ description: "Absent where none is configured." })),
      points: t.Array(Point),
    }),
  }),
  backup: post("/v1/system/backups", {
    long: true,
    refusals: [409],
    status: 201,
    summary:
      "Takes a backup into `gateway.backup_dir` while writes go on, as `bun run backup` does. One at a time.",
    body: closed({
      keep: t.Optional(
        t.Integer({ minimum: 1, description: "Drops all but the newest so many afterwards." }),
      ),
    }),
    reply: t.Object(
      { point: t.String(), files: count, bytes: count, copied_bytes: count, damaged: t.Array(t.Unknown()) },
      { additionalProperties: true },
    ),
  }),
  system: get("/v1/system", {
    summary:
      "Every service: state, address, uptime, restarts, latency, last error; what may be taken of memory, and is; the disk; and what maintenance did.",
    reply: closed({
      ready: t.Boolean(),
      services: t.Array(Service),
      memory: Memory,
      /** Of the file system that the data directory is on; absent where it does not say. */
      disk: t.Optional(closed({ free_bytes: count, total_bytes: count })),
      /** Absent while ingestd does not answer. */
      maintenance: t.Optional(Maintenance),
      /** Erasures that some service has yet to carry out. */
      erasures_open: t.Array(Erasure),
    }),
  }),
  erase: post("/v1/erase", {
    keyless: true,
    long: true,
    summary:
      "Erases all that any service keeps of a person or a thing, wherever it is named: memories, rows and documents with their earlier versions, vectors, corpora, playbooks, operations, reviews, training sets. What is left is that it was done, by whom, when and why.",
    body: ErasureRequest,
    reply: closed({
      dry_run: t.Boolean(),
      /** Under which GET /v1/erasures knows it; a dry run is not kept. */
      id: t.Optional(t.String()),
      at: t.Optional(t.String({ format: "date-time" })),
      who: t.Optional(erasureReasons.who),
      why: t.Optional(erasureReasons.why),
      state: erasureState,
      ended: t.Optional(t.String({ format: "date-time" })),
      services: erasedServices,
    }),
  }),
  erasures: get("/v1/erasures", {
    summary: "The erasures, the newest first: who asked for each, when and why, and what each service did.",
    reply: closed({ erasures: t.Array(Erasure) }),
  }),
});
export type Gateway = typeof gateway;
