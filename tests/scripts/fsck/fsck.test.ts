/** `bun run fsck` at the command line: what it says and how it ends, whatever answers. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { runFsck } from "../../support/durability/fsck-command.ts";
import { type Product, startProduct } from "../../support/product/product.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

const finding = {
  severity: "damage",
  place: "primary://a",
  problem: "it is damaged",
  remedy: "put it again",
};
const leftover = {
  severity: "leftover",
  place: "primary://b",
  problem: "nobody needs it",
  remedy: "delete it",
};
const lines = (...values: object[]): string => values.map((value) => `${JSON.stringify(value)}\n`).join("");
const error = (status: number, type: string, message: string): Response =>
  Response.json({ error: { type, message, code: status } }, { status });

/** What a gateway answers for a service; the others are whole. */
type Answers = Record<string, () => Response>;

function fakeGateway(answers: Answers) {
  return Bun.serve({
    port: 0,
    fetch: ({ url, headers }) => {
      const { pathname } = new URL(url);
      if (pathname === "/health") return Response.json({ status: "ok", service: "gateway" });
      if (answers.token && headers.get("authorization") !== "Bearer t") return answers.token();
      const [, service = ""] = /\/durable\/(\w+)\/inspect$/.exec(pathname) ?? [];
      return answers[service]?.() ?? new Response(lines({ end: { count: 0 } }));
    },
  });
}

const brokenOff = (): Response => {
  let sent = false;
  const body = new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      if (sent) {
        await Bun.sleep(10);
        throw new Error("reset");
      }
      sent = true;
      controller.enqueue(new TextEncoder().encode(lines({ finding })));
    },
  });
  return new Response(body);
};

const answered: {
  name: string;
  answers: Answers;
  words?: string[];
  code: number;
  says: string[];
  not?: string[];
}[] = [
  {
    name: "all is whole",
    answers: {},
    code: 0,
    says: ["storaged   whole", "11 services checked, 0 damaged, 0 left over"],
  },
  {
    name: "damage",
    answers: {
      catalogd: () =>
        new Response(
          lines({ progress: { done: 3, total: 3, of: "manifests" } }, { finding }, { end: { count: 2 } }),
        ),
    },
    code: 1,
    says: [
      "DAMAGE    primary://a",
      "it is damaged",
      "do: put it again",
      "catalogd   1 damaged (3 manifests)",
      "1 damaged, 0 left over",
    ],
  },
  {
    name: "leftovers alone",
    answers: { storaged: () => new Response(lines({ finding: leftover }, { end: { count: 1 } })) },
    code: 0,
    says: ["leftover  primary://b", "storaged   whole, 1 left over", "0 damaged, 1 left over"],
  },
  {
    name: "a service that is down: the others are checked",
    answers: {
      pathwayd: () => error(503, "unavailable", "pathwayd cannot be reached"),
      matrixd: () => new Response(lines({ finding: leftover }, { end: { count: 1 } })),
    },
    code: 2,
    says: [
      "pathwayd   NOT CHECKED: 503: pathwayd cannot be reached",
      "matrixd    whole, 1 left over",
      "10 services checked",
      "could not check pathwayd",
    ],
  },
  {
    name: "an answer without its end",
    answers: { vectord: () => new Response(lines({ progress: { done: 1, total: 2, of: "objects" } })) },
    code: 2,
    says: [
      "vectord    NOT CHECKED: its answer broke off (it ended without an end): not everything was checked",
    ],
  },
  {
    name: "an answer that lost a line",
    answers: { vectord: () => new Response(lines({ end: { count: 1 } })) },
    code: 2,
    says: ["vectord    NOT CHECKED: its answer broke off ("],
  },
  {
    name: "an answer that breaks off: what came before is told",
    answers: { vectord: brokenOff },
    code: 1,
    says: [
      "DAMAGE    primary://a",
      "vectord    NOT CHECKED: its answer broke off",
      "could not check vectord",
    ],
  },
  {
    name: "an answer that is no lines",
    answers: { chatd: () => new Response("<html>\n") },
    code: 2,
    says: ["chatd      NOT CHECKED: its answer broke off"],
  },
  {
    name: "some services",
    answers: {},
    words: ["vectord", "storaged"],
    code: 0,
    says: ["vectord    whole", "2 services checked"],
    not: ["catalogd"],
  },
];

describe("what services answer", () => {
  test.each(answered)("$name", async ({ answers, words = [], code, says, not = [] }) => {
    await using gateway = fakeGateway(answers);
    const ran = await runFsck([...words, "--gateway", `http://127.0.0.1:${gateway.port}/`]);
    for (const text of says) expect(ran.out).toContain(text);
    for (const text of not) expect(ran.out).not.toContain(text);
    expect(ran.code).toBe(code);
  });
});

test("one JSON document for programs", async () => {
  await using gateway = fakeGateway({
    catalogd: () =>
      new Response(
        lines({ finding }, { progress: { done: 2, total: 2, of: "manifests" } }, { end: { count: 2 } }),
      ),
    chatd: () => error(503, "unavailable", "away"),
  });
  const url = `http://127.0.0.1:${gateway.port}`;
  const { out, err, code } = await runFsck(["--json", "--gateway", url, "chatd", "catalogd"]);
  expect(code).toBe(1);
  expect(err).toBe("");
  expect(JSON.parse(out)).toEqual({
    ok: false,
    gateway: url,
    damage: 1,
    leftover: 0,
    services: [
      { service: "catalogd", findings: [finding], read: { manifests: 2 } },
      { service: "chatd", findings: [], read: {}, unchecked: "503: away" },
    ],
  });
});

const refused: [name: string, words: string[], says: string, env?: Record<string, string>][] = [
  ["an unknown service", ["storage"], "there is no service 'storage'; expected some of gateway, storaged"],
  ["an unknown option", ["--fix"], "unexpected option '--fix'\nusage: bun run fsck"],
  ["a gateway without an address", ["--gateway"], "--gateway needs a value"],
  ["an empty gateway", ["--gateway="], "--gateway needs a value"],
  [
    "no address",
    ["--gateway", "3110"],
    "--gateway: expected an address such as http://127.0.0.1:3110, got '3110'",
  ],
  ["an address with a path", ["--gateway", "http://localhost/v1"], "got 'http://localhost/v1'"],
  ["a configuration without a file", ["--config"], "--config needs a value"],
  [
    "a configuration that is not there",
    ["--config", "/there/is/none.toml"],
    "--config: there is no file '/there/is/none.toml'",
  ],
  ["an unknown key", ["--data_dri=/x"], "--data_dri: unknown key"],
  ["a bad variable", [], "LH_DATA_DRI: unknown variable", { LH_DATA_DRI: "x" }],
  [
    "nobody at the gateway",
    ["--gateway", "http://127.0.0.1:1"],
    "no Lakehouse answers at http://127.0.0.1:1: start it",
  ],
];

describe("what cannot be checked ends with 2 and says why", () => {
  test.each(refused)("%s", async (_, words, says, env = {}) => {
    const { code, err, out } = await runFsck(words, { env });
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toContain(says);
    const asJson = await runFsck([...words, "--json"], { env });
    expect(JSON.parse(asJson.out)).toMatchObject({ ok: false, problem: expect.stringContaining(says) });
  });

  test("something else at the gateway", async () => {
    await using other = Bun.serve({ port: 0, fetch: () => new Response("hello") });
    const { code, err } = await runFsck(["--gateway", `http://127.0.0.1:${other.port}`]);
    expect({ code, err }).toMatchObject({
      code: 2,
      err: expect.stringContaining("is not the gateway of a Lakehouse"),
    });
  });

  test("a token that is refused, and one that is not", async () => {
    await using gateway = fakeGateway({ token: () => error(401, "unauthorized", "expected a bearer token") });
    const words = ["--gateway", `http://127.0.0.1:${gateway.port}`];
    const { code, err } = await runFsck(words);
    expect({ code, err }).toMatchObject({
      code: 2,
      err: expect.stringContaining("expected a bearer token. Set AUTH_TOKEN"),
    });
    expect((await runFsck(words, { env: { AUTH_TOKEN: "t" } })).code).toBe(0);
    expect((await runFsck(words, { env: { LH_AUTH_TOKEN: "t" } })).code).toBe(0);
  });
});

describe("where none runs at the configured gateway", () => {
  const directory = temporaryDirectory("fsck");
  let product: Product | undefined;
  beforeAll(async () => {
    product = await startProduct({ dataDir: directory.path });
  });
  afterAll(async () => {
    await product?.end();
    directory.remove();
  });
  const away = "--gateway.bind=127.0.0.1:1";

  test("one that runs elsewhere on the data directory is told of, by its lock", async () => {
    const { code, err } = await runFsck([away, `--data_dir=${product?.dataDir}`]);
    expect(code).toBe(2);
    expect(err).toContain("none runs at http://127.0.0.1:1: one is started on");
    expect(err).toContain(
      `a Lakehouse runs on ${product?.dataDir}, but none answers at http://127.0.0.1:1. Name its gateway`,
    );
  });

  test("one is started for the check, and stopped", async () => {
    const dataDir = product?.dataDir;
    await product?.end();
    product = undefined;
    for (const env of [{}, { AUTH_TOKEN: "secret" }]) {
      const { code, out, err } = await runFsck([away, `--data_dir=${dataDir}`], { env });
      expect(`${code} ${code === 0 ? "" : err}`).toBe("0 ");
      expect(out).toContain("11 services checked, 0 damaged, 0 left over");
    }
  });
});
