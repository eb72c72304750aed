import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync } from "node:fs";
import { topology } from "../../../runtime/topology.ts";
import { ingest, type Product, startProduct } from "../../support/product/product.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

/** Two hosts: this one with the gateway, and a network namespace with all services behind a link of their own. */
const namespace = `lh-${process.pid}`;
const link = { here: `lh${process.pid % 100_000}a`, there: `lh${process.pid % 100_000}b` };
/** 198.18.0.0/15 is set aside for tests of networks (RFC 2544). */
const octet = process.pid % 250;
const here = `198.18.${octet}.1`;
const there = `198.18.${octet}.2`;
const token = "a-token-of-both-hosts";

const run = (...words: string[]) => Bun.spawnSync(words, { stdout: "ignore", stderr: "pipe" });
const ip = (...words: string[]) => {
  const { exitCode, stderr } = run("ip", ...words);
  if (exitCode !== 0) throw new Error(`ip ${words.join(" ")}: ${stderr.toString()}`);
};
const inside = (...words: string[]) => ip("netns", "exec", namespace, "ip", ...words);

function canMakeNamespaces(): boolean {
  const made = Bun.which("ip") !== null && run("ip", "netns", "add", `${namespace}-try`).exitCode === 0;
  if (made) run("ip", "netns", "del", `${namespace}-try`);
  return made;
}

function connectHosts(): void {
  ip("netns", "add", namespace);
  ip("link", "add", link.here, "type", "veth", "peer", "name", link.there, "netns", namespace);
  ip("addr", "add", `${here}/30`, "dev", link.here);
  ip("link", "set", link.here, "up");
  inside("link", "set", "lo", "up");
  inside("addr", "add", `${there}/30`, "dev", link.there);
  inside("link", "set", link.there, "up");
}

const behind = Object.keys(topology).filter((name) => name !== "gateway");
const env = {
  AUTH_TOKEN: token,
  // A call that waits for a host that is gone should not be waited for long here.
  LH_RPC_TIMEOUT_MS: "3000",
  LH_GATEWAY_PROXY_TIMEOUT_MS: "3000",
  ...Object.fromEntries(behind.map((name, at) => [`LH_${name.toUpperCase()}_BIND`, `${there}:${4000 + at}`])),
  LH_GATEWAY_BIND: `${here}:0`,
};

describe.skipIf(!canMakeNamespaces())("gateway and services on two hosts", () => {
  const home = temporaryDirectory("hosts");
  let services: Product;
  let front: Product;

  beforeAll(async () => {
    connectHosts();
    for (const name of ["services", "front"]) mkdirSync(`${home.path}/${name}`);
    services = await startProduct({
      dataDir: `${home.path}/services`,
      env,
      flags: ["--only", behind.join(",")],
      by: ["ip", "netns", "exec", namespace],
    });
    front = await startProduct({ dataDir: `${home.path}/front`, env, flags: ["--only", "gateway"] });
  });
  afterAll(async () => {
    await front?.end();
    await services?.end();
    run("ip", "netns", "del", namespace);
    home.remove();
  });

  const send = (path: string, init: RequestInit = {}) =>
    fetch(front.url + path, {
      ...init,
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json", ...init.headers },
    });
  /** Asks again while a busy machine answers later than the limit. */
  const inTime = async (ask: () => Promise<Response>): Promise<Response> => {
    for (;;) {
      const response = await ask();
      if (response.status !== 504) return response;
      await response.body?.cancel();
    }
  };
  const sendInTime: typeof send = (path, init) => inTime(() => send(path, init));
  const rows = async (sql: string, by = send) => {
    const response = await by("/v1/sql", { method: "POST", body: JSON.stringify({ sql }) });
    return { status: response.status, body: await response.json() };
  };

  test("files, SQL and vectors work across the link, with the token alone", async () => {
    expect((await fetch(`${front.url}/v1/system`)).status).toBe(401);
    expect((await fetch(`http://${there}:4000/storage/list`)).status).toBe(401);
    const loaded = await inTime(() =>
      ingest(front.url, "name=people", "id,zip\n1,02134\n2,60605\n", { authorization: `Bearer ${token}` }),
    );
    expect(loaded.status).toBe(200);
    expect(await rows("SELECT * FROM people ORDER BY id", sendInTime)).toEqual({
      status: 200,
      body: [
        { id: 1, zip: "02134" },
        { id: 2, zip: "60605" },
      ],
    });
    const embedded = (await (
      await sendInTime("/v1/embed", { method: "POST", body: '{"texts":["a welder","a nurse"]}' })
    ).json()) as { vectors: number[][] };
    await sendInTime("/v1/vectors/index", { method: "POST", body: '{"name":"texts","dimension":512}' });
    const items = embedded.vectors.map((vector, at) => ({ id: `t${at}`, vector }));
    expect(
      (await sendInTime("/v1/vectors/index/texts/add", { method: "POST", body: JSON.stringify({ items }) }))
        .status,
    ).toBe(200);
    const found = (await (
      await sendInTime("/v1/vectors/index/texts/search", {
        method: "POST",
        body: JSON.stringify({ vector: embedded.vectors[1], k: 1 }),
      })
    ).json()) as { results: { id: string }[] };
    expect(found.results.map(({ id }) => id)).toEqual(["t1"]);
  });

  test("a cut link is told as 503 or 504, and nothing has to be restarted when it is back", async () => {
    inside("link", "set", link.there, "down");
    const asked = await Promise.all([
      send("/v1/catalog/list"),
      send("/v1/vectors/index"),
      rows("SELECT 1 AS one"),
    ]);
    for (const { status } of asked) expect([503, 504]).toContain(status);
    expect((await fetch(`${front.url}/health`)).status).toBe(200);
    expect(((await (await send("/v1/system")).json()) as { ready: boolean }).ready).toBe(false);
    inside("link", "set", link.there, "up");
    for (;;) {
      const answer = await rows("SELECT count(*)::INTEGER AS n FROM people");
      if (answer.status === 200) {
        expect(answer.body).toEqual([{ n: 2 }]);
        break;
      }
      expect([503, 504]).toContain(answer.status);
    }
    expect(((await (await send("/v1/system")).json()) as { ready: boolean }).ready).toBe(true);
  });
});
