/** A folder becomes a corpus in one command; a second time only what changed is sent. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Product, startProduct } from "../../support/product/product.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

const fixtures = join(import.meta.dir, "../../fixtures/ingestd/documents");
const folder = temporaryDirectory("load");
let product: Product;
beforeAll(async () => {
  mkdirSync(join(folder.path, "cv"));
  for (const name of ["jane.docx", "jane.pdf", "locked.pdf"])
    copyFileSync(join(fixtures, name), join(folder.path, "cv", name));
  writeFileSync(join(folder.path, "kim.txt"), "Kim Lee, plumber in Osaka");
  writeFileSync(join(folder.path, ".hidden"), "x");
  product = await startProduct({ env: { AUTH_TOKEN: "a-token" } });
});
afterAll(async () => {
  await product.end();
  folder.remove();
});

async function load(...words: string[]) {
  const run = Bun.spawn(
    [process.execPath, join(import.meta.dir, "../../../scripts/load/load.ts"), ...words],
    {
      env: { ...process.env, LH_DATA_DIR: product.dataDir, AUTH_TOKEN: "a-token" },
      stdout: "pipe",
      stderr: "pipe",
    },
  );
  const [out, err] = await Promise.all([new Response(run.stdout).text(), new Response(run.stderr).text()]);
  return { code: await run.exited, out, err };
}
const into = () => ["--corpus", "resumes", "--gateway", product.url];
const post = async (path: string, body: object) => {
  const headers = { authorization: "Bearer a-token", "content-type": "application/json" };
  const response = await fetch(product.url + path, { method: "POST", headers, body: JSON.stringify(body) });
  return response.json();
};

test("a folder: loaded, searchable, the bad file named, exit 1", async () => {
  const first = await load(folder.path, ...into(), "--metadata", '{"team":"north"}');
  expect(first.err).toContain("cv/locked.pdf: the PDF is encrypted");
  expect(first.out).toMatch(/^3 documents loaded into 'resumes' in 3 chunks, 1 files could not be read$/m);
  expect(first.code).toBe(1);
  const search = { corpora: ["resumes"], query_text: "plumber", filter: { "metadata.team": "north" } };
  const { hits } = (await post("/v1/matrix/search", search)) as { hits: { id: string }[] };
  expect(hits[0]?.id).toBe("kim.txt#0");
});

test("a second time what is there is left out, and what changed is replaced", async () => {
  writeFileSync(join(folder.path, "kim.txt"), "Kim Lee, baker in Kyoto");
  const { out } = await load(join(folder.path), ...into());
  expect(out).toContain(
    "1 documents loaded into 'resumes' in 1 chunks, 2 files were there as they are, 1 files",
  );
  const rows = await post("/v1/sql", { sql: "SELECT text FROM resumes WHERE document = 'kim.txt'" });
  expect(rows).toEqual([{ text: "Kim Lee, baker in Kyoto" }]);
  const one = await load(join(folder.path, "kim.txt"), ...into(), "--again");
  expect(one).toMatchObject({ code: 0, err: "" });
});

test("through the gateway: a document with a path in its id is read and deleted", async () => {
  const headers = { authorization: "Bearer a-token" };
  const at = `${product.url}/v1/documents/cv%2Fjane.pdf?corpus=resumes`;
  const original = await fetch(at, { headers });
  expect([original.status, original.headers.get("content-type")]).toEqual([200, "application/pdf"]);
  expect((await original.bytes()).length).toBe(Bun.file(join(fixtures, "jane.pdf")).size);
  const gone = await fetch(at, { method: "DELETE", headers });
  expect(await gone.json()).toMatchObject({ document: "cv/jane.pdf", chunks: 1 });
  expect((await fetch(at, { headers })).status).toBe(404);
});

test("wrong words end with 2 and what was expected", async () => {
  const rows: [string[], string][] = [
    [[], "expected one folder and --corpus"],
    [[folder.path], "--corpus"],
    [["/nowhere/at/all", "--corpus", "x"], "there is no folder or file '/nowhere/at/all'"],
    [[folder.path, "--corpus", "a-b", "--gateway", product.url], "corpus"],
    [[folder.path, "--corpus", "x", "--metadata", "{", "--gateway", product.url], "metadata"],
    [[folder.path, "--corpus", "x", "--gateway", "http://127.0.0.1:1"], "the gateway does not answer"],
    [[folder.path, "--wrong"], "unexpected option '--wrong'"],
  ];
  for (const [words, says] of rows) {
    const { code, err } = await load(...words);
    expect(err).toContain(says);
    expect(code).toBe(2);
  }
});
