/** `bun run model` as an operator runs it: from a folder, from a hub of our own on loopback, and with what is wrong. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../../../scripts/subprocess/subprocess.ts";
import { fixtureModels } from "../../support/model-servers/added-models.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

const directory = temporaryDirectory("model-command");
const models = join(directory.path, "embedd/models");
const words = join(fixtureModels, "words");
const command = new URL("../../../scripts/model/model.ts", import.meta.url).pathname;
let hub: Bun.Server<undefined>;
/** What the hub sends in place of the graph. */
let graph: Uint8Array<ArrayBuffer> | undefined;

const model = (...args: string[]) =>
  run([process.execPath, command, ...args, `--data_dir=${directory.path}`], {
    timeoutMs: 240_000,
    env: { ...(process.env as Record<string, string>), HF_ENDPOINT: `http://127.0.0.1:${hub.port}` },
  });

beforeAll(() => {
  const hash = (name: "sha1" | "sha256", ...parts: (string | Uint8Array)[]) => {
    const hasher = new Bun.CryptoHasher(name);
    for (const part of parts) hasher.update(part);
    return hasher.digest("hex");
  };
  const file = (name: string) => new Uint8Array(readFileSync(join(words, name)));
  const entries = readdirSync(words).map((path) => {
    const bytes = file(path);
    const oid = hash("sha1", `blob ${bytes.length}\0`, bytes);
    const lfs = path.endsWith(".onnx") ? { lfs: { oid: hash("sha256", bytes) } } : {};
    return { type: "file", path, size: bytes.length, oid, ...lfs };
  });
  hub = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: (request) => {
      const { pathname } = new URL(request.url);
      if (pathname === "/api/models/owner/words/tree/main") return Response.json(entries);
      // Large files are kept elsewhere.
      if (pathname === "/owner/words/resolve/main/model.onnx")
        return new Response(null, { status: 302, headers: { location: "/elsewhere/model.onnx" } });
      if (pathname === "/elsewhere/model.onnx") return new Response(graph ?? file("model.onnx"));
      const name = /^\/owner\/words\/resolve\/main\/(.+)$/.exec(pathname)?.[1];
      return name ? new Response(file(name)) : new Response("none", { status: 404 });
    },
  });
});
afterAll(async () => {
  await hub.stop(true);
  directory.remove();
});

test("a hub's model is checked, measured and listed; removed, it is gone", async () => {
  const added = await model("add", "owner/words");
  expect([added.code, added.err]).toEqual([0, expect.stringContaining("owner/words@main")]);
  expect(added.out).toMatch(
    /^onnx\/words: embedding, 32 numbers, window 64 tokens, .* texts of 12 words a second/,
  );
  expect((await model("list")).out).toBe(added.out);
  const again = await model("add", "owner/words");
  expect([again.code, again.err]).toEqual([
    1,
    expect.stringContaining("there is a model 'onnx/words' already"),
  ]);
  expect((await model("remove", "onnx/words")).code).toBe(0);
  expect(existsSync(join(models, "words"))).toBe(false);
});

test("other bytes than the hub names are refused, and nothing is left", async () => {
  graph = new Uint8Array(10);
  const { code, err } = await model("add", "owner/words");
  graph = undefined;
  expect([code, err]).toEqual([1, expect.stringContaining("other bytes came than the hub says it has")]);
  expect(readdirSync(models)).toEqual([]);
});

describe("refused", () => {
  const folder = (name: string, change: (path: string) => void): string => {
    const path = join(directory.path, name);
    mkdirSync(path);
    cpSync(words, path, { recursive: true });
    change(path);
    return path;
  };
  test.each<[string, () => string[], number, string]>([
    ["no verb", () => [], 2, "expected add SOURCE, list or remove NAME"],
    ["another verb", () => ["fetch", words], 2, "unexpected 'fetch'"],
    ["no such folder", () => ["add", "/nowhere"], 2, "there is no folder '/nowhere'"],
    ["a file", () => ["add", join(words, "model.onnx")], 2, "is a file: expected the folder"],
    ["a name that is none", () => ["add", words, "--name", "A B"], 2, "is no name for a model"],
    ["a sum that is none", () => ["add", words, "--sha256", "12"], 2, "expected 64 digits"],
    ["another sum", () => ["add", words, "--sha256", "0".repeat(64)], 1, "nothing was added"],
    ["a graph that is not there", () => ["add", words, "--file", "x.onnx"], 1, "its graphs are model.onnx"],
    ["no repository of that name", () => ["add", "owner/none"], 1, "answered 404 for owner/none@main"],
    ["nothing to remove", () => ["remove", "none"], 1, "there is no model 'onnx/none'"],
    [
      "no tokenizer",
      () => ["add", folder("bare", (path) => rmSync(join(path, "tokenizer.json")))],
      1,
      "has no tokenizer.json",
    ],
    [
      "no graph",
      () => ["add", folder("empty", (path) => rmSync(join(path, "model.onnx")))],
      1,
      "has no .onnx file",
    ],
    [
      "a graph that is none",
      () => ["add", folder("broken", (path) => writeFileSync(join(path, "model.onnx"), "no graph"))],
      1,
      "model.onnx or its tokenizer.json cannot be loaded",
    ],
  ])("%s", async (_name, args, status, message) => {
    const { code, err } = await model(...args());
    expect([code, err]).toEqual([status, expect.stringContaining(message)]);
    expect(existsSync(models) ? readdirSync(models) : []).toEqual([]);
  });
});
