import { writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  type Answer,
  expectError,
  expectStatus,
  expectTrue,
  lakeAt,
  type Product,
  type Smoke,
  type Stage,
  type StartOptions,
} from "../smoke-product/smoke-product.ts";

const path = "/v1/storage/buckets";
const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` });

interface Row {
  what: string;
  headers?: Record<string, string>;
  status: 200 | 401 | 403;
}

/** One configuration of the product, and what its gateway answers. */
interface Posture {
  about: string;
  options: StartOptions;
  rows: Row[];
}

const postures: Posture[] = [
  {
    about: "loopback without a token",
    options: {},
    rows: [
      { what: "a caller on this machine", status: 200 },
      { what: "another Host (a name that was pointed here)", headers: { host: "evil.example" }, status: 403 },
      { what: "another Origin (a web page)", headers: { origin: "https://evil.example" }, status: 403 },
    ],
  },
  {
    about: "a token",
    options: { env: { LH_AUTH_TOKEN: "first-token", AUTH_TOKEN: "from-environment" } },
    rows: [
      { what: "no token", status: 401 },
      { what: "a wrong token", headers: bearer("wrong"), status: 401 },
      { what: "the token with more behind it", headers: bearer("first-token-and-more"), status: 401 },
      { what: "the token", headers: bearer("first-token"), status: 200 },
      {
        what: "the environment's token, when the configuration names one",
        headers: bearer("from-environment"),
        status: 401,
      },
    ],
  },
  {
    about: "tokens from the environment, while rotating",
    options: { env: { AUTH_TOKEN: "old-token", AUTH_SECONDARY_TOKEN: "new-token" } },
    rows: [
      { what: "the first token", headers: bearer("old-token"), status: 200 },
      { what: "the second token", headers: bearer("new-token"), status: 200 },
      { what: "neither", headers: bearer("other"), status: 401 },
    ],
  },
  {
    about: "a secondary token alone",
    options: { env: { AUTH_SECONDARY_TOKEN: "new-token" } },
    rows: [
      { what: "the second token", headers: bearer("new-token"), status: 200 },
      { what: "no token", status: 401 },
    ],
  },
  {
    about: "addresses without this machine's",
    options: { flags: ["--auth.allowed_ips=10.0.0.0/8,2001:db8::/32"] },
    rows: [{ what: "a caller on this machine", status: 403 }],
  },
  {
    about: "addresses and a token",
    options: { flags: ["--auth.allowed_ips=127.0.0.1,::1"], env: { LH_AUTH_TOKEN: "first-token" } },
    rows: [
      { what: "the right address without a token", status: 401 },
      { what: "both", headers: bearer("first-token"), status: 200 },
    ],
  },
];

function expectRow(answer: Answer, status: Row["status"]): void {
  if (status === 200) expectStatus(answer, 200);
  else expectError(answer, status, status === 401 ? "unauthorized" : "forbidden");
}

async function postureHolds({ check, start }: Stage, { about, options, rows }: Posture): Promise<void> {
  const product = await start(options);
  const caller = lakeAt(product.gateway);
  for (const { what, headers = {}, status } of rows) {
    await check(`${about}: ${what} gets ${status}`, async () => {
      expectRow(await caller.send(path, { headers }), status);
    });
  }
  await check(`${about}: /health and /livez are open`, async () => {
    for (const at of ["/health", "/livez"]) expectStatus(await caller.send(at), 200);
  });
  await product.end("SIGTERM");
}

/** Three reloads take the token from the old to the new one; nobody is turned away between them. */
async function rotationHolds({ check, start, directory }: Stage): Promise<void> {
  const file = join(directory(), "auth.env");
  const put = (text: string) => writeFileSync(file, text, { mode: 0o600 });
  put("AUTH_TOKEN=old-token\n");
  const product = await start({ env: { LH_AUTH_ENV_FILE: file } });
  const caller = lakeAt(product.gateway);
  const gets = async (token: string, status: Row["status"]) =>
    expectRow(await caller.send(path, { headers: bearer(token) }), status);
  const steps: { what: string; file: string; old: Row["status"]; next: Row["status"] }[] = [
    {
      what: "both tokens",
      file: "AUTH_TOKEN=old-token\nAUTH_SECONDARY_TOKEN=new-token\n",
      old: 200,
      next: 200,
    },
    {
      what: "both, the new one first",
      file: "AUTH_TOKEN=new-token\nAUTH_SECONDARY_TOKEN=old-token\n",
      old: 200,
      next: 200,
    },
    { what: "the new one alone", file: "AUTH_TOKEN=new-token\n", old: 401, next: 200 },
  ];
  for (const { what, file: text, old, next } of steps) {
    await check(`reload: ${what}`, async () => {
      put(text);
      await product.reload();
      await gets("old-token", old);
      await gets("new-token", next);
    });
  }
  await check("reload: a mistake in the file is told and changes nothing", async () => {
    put("AUTH TOKEN\n");
    const said = await product.reload().then(
      () => "it was taken",
      (cause) => String(cause),
    );
    expectTrue(said.includes("it stays as it was") && said.includes("auth.env:1"), said);
    await gets("new-token", 200);
    product.errors();
  });
  await product.end("SIGTERM");
}

/** A start that must fail; returns what it said. */
async function refusedStart(start: Stage["start"], options: StartOptions): Promise<string> {
  let product: Product;
  try {
    product = await start(options);
  } catch (cause) {
    return cause instanceof Error ? cause.message : String(cause);
  }
  throw new Error(`it started, at ${product.gateway}`);
}

const everywhere = "--gateway.bind=0.0.0.0:0";

export const auth: Smoke = {
  about: "who may call: loopback, token, rotation by reload, addresses; and what may not be bound",
  ownProduct: true,
  async run(stage) {
    const { check, start } = stage;
    for (const posture of postures) await postureHolds(stage, posture);
    await rotationHolds(stage);
    await check("a token on the command line is refused, and not repeated", async () => {
      const said = await refusedStart(start, { flags: ["--auth.token=first-token"] });
      expectTrue(said.includes("--auth.token is refused") && !said.includes("first-token"), said);
    });
    await check("a non-loopback bind without a token is refused", async () => {
      const said = await refusedStart(start, { flags: [everywhere] });
      expectTrue(said.includes("refuse non-loopback bind without auth.token"), said);
    });
    await check("LH_GATEWAY_ALLOW_NONLOOPBACK=1 overrides the bind gate", async () => {
      await start({ flags: [everywhere], env: { LH_GATEWAY_ALLOW_NONLOOPBACK: "1" } });
    });
    await check("with a token it may be bound", async () => {
      await start({ flags: [everywhere], env: { AUTH_TOKEN: "first-token" } });
    });
  },
};
