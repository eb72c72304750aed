import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { networkInterfaces } from "node:os";
import { mountServices } from "../../../api/gateway/services/mount.ts";
import { createChangingGate } from "../../../runtime/auth/auth.ts";
import type { Config } from "../../../runtime/config/settings.ts";
import { createAnswerHold } from "../../../runtime/http/answer-hold.ts";
import type { Listening } from "../../../runtime/http/listener.ts";
import { createFace, type Face, type RawHandler } from "../../../runtime/http/serve.ts";
import { systemClock } from "../../../runtime/scheduling/clock.ts";
import type { Deps } from "../../../runtime/service/declaration.ts";
import { createLog } from "../../../runtime/telemetry/log.ts";
import { createMetrics } from "../../../runtime/telemetry/metrics.ts";
import { durable, durableHandlers } from "../../../runtime/worker/durable-endpoints.ts";
import { sendRaw } from "../../support/clients/raw-http.ts";
import { configWith } from "../../support/stacks/in-process.ts";

/**
 * Where a service listens, what `[auth]` says, who calls, with which headers and for what, over real sockets: every
 * combination on one address of loopback and one beyond it, on others each pair; what must come is said by `expected`, which is written from the rules and knows nothing of the code.
 */
const primary = "0123456789abcdef-primary";
const secondary = "fedcba9876543210-secondary";
const client = "203.0.113.7";

const own = (family: "IPv4" | "IPv6") =>
  Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .find(({ internal, scopeid, ...each }) => each.family === family && !internal && !scopeid)?.address;

/** Where the service is bound, and the address that it is called at and from. */
const binds = [
  { name: "IPv4 loopback", bind: "127.0.0.1", at: "127.0.0.1", loopback: true },
  { name: "IPv6 loopback", bind: "::1", at: "::1", loopback: true },
  { name: "all addresses, IPv4 over IPv6", bind: "::", at: "127.0.0.1", loopback: false },
  { name: "IPv4 of the network", bind: own("IPv4"), at: own("IPv4"), loopback: false },
  { name: "IPv6 of the network", bind: own("IPv6"), at: own("IPv6"), loopback: false },
].flatMap(({ bind, at, ...rest }) => (bind === undefined || at === undefined ? [] : [{ ...rest, bind, at }]));
type Bind = (typeof binds)[number];

/** Which addresses are let in: `direct` is the one that the socket has, `client` the one a proxy speaks for. */
const auths: { tokens: ("primary" | "secondary")[]; ips: "all" | "direct" | "client" }[] = [
  { tokens: [], ips: "all" },
  { tokens: ["primary"], ips: "all" },
  { tokens: ["secondary"], ips: "all" },
  { tokens: ["primary", "secondary"], ips: "all" },
  { tokens: [], ips: "direct" },
  { tokens: [], ips: "client" },
  { tokens: ["primary"], ips: "direct" },
  { tokens: ["primary", "secondary"], ips: "client" },
];
type Auth = (typeof auths)[number];

const vias = ["direct", "trusted proxy", "untrusted proxy"] as const;
type Via = (typeof vias)[number];

const basic = (pair: string): string => `Basic ${Buffer.from(pair).toString("base64")}`;
/** What is presented, and the token it amounts to. */
const presented: {
  name: string;
  headers: [string, string][];
  is?: "primary" | "secondary";
  host?: string;
}[] = [
  { name: "no header", headers: [] },
  { name: "a foreign Host", headers: [], host: "rebind.example" },
  { name: "Basic, and no pair", headers: [["Authorization", `Basic ${primary}`]] },
  { name: "the password of Basic", headers: [["Authorization", basic(`anna:${primary}`)]], is: "primary" },
  {
    name: "Basic, which a page elsewhere made a browser send",
    headers: [
      ["Authorization", basic(`anna:${primary}`)],
      ["Sec-Fetch-Site", "same-site"],
    ],
  },
  { name: "a wrong token", headers: [["Authorization", "Bearer 0123456789abcdef-primarx"]] },
  { name: "a prefix", headers: [["Authorization", `Bearer ${primary.slice(0, -1)}`]] },
  { name: "the token and more", headers: [["Authorization", `Bearer ${primary} ${secondary}`]] },
  { name: "the token", headers: [["Authorization", `Bearer ${primary}`]], is: "primary" },
  { name: "the secondary", headers: [["authorization", `Bearer ${secondary}`]], is: "secondary" },
  { name: "lower case", headers: [["AUTHORIZATION", `bearer ${primary}`]], is: "primary" },
  {
    name: "two headers",
    headers: [
      ["Authorization", `Bearer ${primary}`],
      ["Authorization", `Bearer ${primary}`],
    ],
  },
  { name: "bytes beyond ASCII", headers: [["Authorization", `Bearer ${primary.replace("p", "\u00fe")}`]] },
];
type Presented = (typeof presented)[number];

/** What is asked for, and what comes when the gate lets it through. */
const requests: { method: string; path: string; open?: true; status: number }[] = [
  { method: "GET", path: "/health", open: true, status: 200 },
  { method: "HEAD", path: "/livez", open: true, status: 200 },
  { method: "GET", path: "/livez", open: true, status: 200 },
  { method: "POST", path: "/health", status: 405 },
  { method: "GET", path: "/readyz", status: 200 },
  { method: "GET", path: "/metrics", status: 200 },
  { method: "GET", path: "/log", status: 200 },
  { method: "HEAD", path: "/metrics", status: 200 },
  { method: "GET", path: "/v1/openapi.json", status: 200 },
  { method: "GET", path: "/v1/nothing", status: 404 },
  { method: "POST", path: "/rpc/nothing", status: 400 },
  { method: "GET", path: "/docs", status: 200 },
  { method: "GET", path: "/durable/gate/inspect", status: 200 },
  { method: "GET", path: "/v1/durable/gate/inspect", status: 404 },
  { method: "GET", path: "/health/../metrics/x", status: 404 },
  { method: "OPTIONS", path: "/metrics", status: 405 },
  { method: "DELETE", path: "/", status: 405 },
];

/** The rules, once more. */
function expected(bind: Bind, auth: Auth, via: Via, given: Presented, request: (typeof requests)[number]) {
  if (request.open) return request.status;
  const caller = via === "trusted proxy" ? "client" : "direct";
  if (auth.ips !== "all" && auth.ips !== caller) return 403;
  if (auth.tokens.length > 0 && !(given.is !== undefined && auth.tokens.includes(given.is))) return 401;
  if (auth.tokens.length === 0 && bind.loopback && given.host !== undefined) return 403;
  return request.status;
}

const section = ({ at }: Bind, { tokens, ips }: Auth, via: Via): Config["auth"] =>
  configWith({
    auth: {
      token: tokens.includes("primary") ? primary : "",
      secondary_tokens: tokens.includes("secondary") ? [secondary] : [],
      allowed_ips: ips === "all" ? [] : ips === "direct" ? ["198.51.100.0/24", at] : [`${client}/32`],
      trusted_proxies: via === "trusted proxy" ? [at] : ["198.51.100.9"],
    },
  }).auth;

/** What stands left of the client's own address is what the client claims. */
const forwarded = (via: Via): [string, string][] =>
  via === "direct" ? [] : [["X-Forwarded-For", via === "trusted proxy" ? `10.0.0.1, ${client}` : client]];

interface Door extends Listening {
  change: (auth: Config["auth"]) => void;
  said: string[];
}

function open({ bind }: { bind: string }): Door {
  const { gate, change } = createChangingGate(configWith({}).auth, bind);
  const said: string[] = [];
  const log = createLog("gate", "debug", (line) => said.push(line));
  const metrics = createMetrics();
  const face: Face = createFace({
    name: "gate",
    gate,
    log,
    metrics,
    newId: () => crypto.randomUUID(),
    notReady: () => [],
    clock: systemClock,
    maxConnections: 10_000,
    maxJsonBytes: 1000,
  });
  const kept = { inspect: async function* () {}, snapshot: async () => ({ files: [], end: async () => {} }) };
  const handlers = durableHandlers({
    name: "gate",
    durable: kept as never,
    answers: createAnswerHold(systemClock),
    erase: undefined,
    idempotency: { redact: async () => 0 },
    newId: () => "id",
    clock: systemClock,
    log,
  });
  face.raw(durable, handlers.raw as unknown as Record<string, RawHandler>);
  face.rpc(async () => ({}));
  mountServices(face, { config: configWith({}), peers: {} } as unknown as Deps<never>);
  return { ...face.listen(bind, 0), change, said };
}

type Case = { given: Presented; request: (typeof requests)[number] };
const all: Case[] = presented.flatMap((given) => requests.map((request) => ({ given, request })));
const fewPresented = ["no header", "a foreign Host", "the token", "the secondary"];
const fewPaths = ["/livez", "/v1/openapi.json"];
/** Each header with something open and something guarded, each request with nobody, somebody and a page elsewhere. */
const few = all.filter(
  ({ given, request }) => fewPresented.includes(given.name) || fewPaths.includes(request.path),
);
/**
 * Everything with everything where the first is bound of those that loopback's rules are for, and of the others: from
 * the caller's own address, and from behind a proxy whose word is taken. A proxy that is not trusted is a caller itself.
 */
const casesOf = (bind: Bind, via: Via): Case[] =>
  via !== "untrusted proxy" && bind === binds.find(({ loopback }) => loopback === bind.loopback) ? all : few;

/** At most this many sockets at once. */
const socketsMax = 64;

async function each<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = items.values();
  await Promise.all(
    Array.from({ length: socketsMax }, async () => {
      for (const item of left) await work(item);
    }),
  );
}

describe.each(binds)("bound to $name", (bind) => {
  let door: Door;
  beforeAll(() => {
    door = open(bind);
  });
  afterAll(() => door.close(100));

  const rows = auths.flatMap((auth) => vias.map((via) => ({ auth, via })));
  test.each(rows)("tokens $auth.tokens, addresses $auth.ips, $via", async ({ auth, via }) => {
    door.change(section(bind, auth, via));
    const name = bind.at.includes(":") ? `[${bind.at}]` : bind.at;
    const wrong: string[] = [];
    await each(casesOf(bind, via), async ({ given, request }) => {
      const host: [string, string] = ["Host", given.host ?? `${name}:${door.port}`];
      const headers = [host, ...given.headers, ...forwarded(via)];
      const { status, text } = await sendRaw({
        host: bind.at,
        port: door.port,
        ...request,
        headers,
      });
      const right = expected(bind, auth, via, given, request);
      const about = `${request.method} ${request.path} with ${given.name}`;
      if (status !== right) wrong.push(`${about}: ${status}, not ${right}`);
      for (const token of [primary, secondary]) if (text.includes(token)) wrong.push(`${about}: repeats it`);
      if (status === 401 && !/www-authenticate: bearer/i.test(text)) wrong.push(`${about}: no challenge`);
    });
    expect(wrong).toEqual([]);
    expect(door.said.join("")).not.toMatch(/primary|secondary/);
  });
});
