/** Documents become rows, words and vectors of one name; updated, deleted, listed and read, all by document. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ingestd } from "../../../../workers/ingestd/contract.ts";
import { createIngestd } from "../../../../workers/ingestd/service.ts";
import { matrixd } from "../../../../workers/matrixd/contract.ts";
import { type DocumentsStack, startDocumentsStack } from "../../../support/corpora/documents.ts";
import { startContractPeer } from "../../../support/stacks/contract-peer.ts";
import { startInProcess } from "../../../support/stacks/in-process.ts";

const fixtures = join(import.meta.dir, "../../../fixtures/ingestd/documents");
const part = (name: string) => ({ name, bytes: new Uint8Array(readFileSync(join(fixtures, name))) });
let stack: DocumentsStack;
beforeAll(async () => {
  stack = await startDocumentsStack();
});
afterAll(() => stack.stop());

const found = async (query_text: string, more: object = {}): Promise<string[]> => {
  const { body } = await stack.matrix.post("/search", { corpora: ["resumes"], query_text, k: 3, ...more });
  return body.hits.map(({ metadata }: { metadata: { document: string } }) => metadata.document);
};
const originals = async () =>
  (await stack.storaged.list({ prefix: "documents/resumes/" })).objects.map(({ key }) => key.split("/")[2]);
/** Originals that were replaced go behind the answer. */
const untilOriginals = async (count: number) => {
  while ((await originals()).length !== count) await Bun.sleep(10);
};

test("files of every format: bad ones are named, the rest goes on, in one version", async () => {
  const names = ["jane.docx", "jane.odt", "jane.pdf", "deck.pptx", "ann.eml", "locked.pdf"];
  const metadata = encodeURIComponent('{"team":"north","level":5}');
  const { status, body, headers } = await stack.load(
    "resumes",
    [
      ...names.map(part),
      { name: "cv/kim.txt", bytes: "Kim Lee\n\nPlumber in Osaka 🌳, boilers and pipes." },
      { name: "cv/nurse.md", bytes: "# Nurse\n\nIntensive care in Oslo." },
      { name: "cv/crane.html", bytes: "<h1>Crane operator</h1><p>Tower cranes in Rotterdam.</p>" },
      { name: "cv/kim.txt", bytes: "again" },
    ],
    `&metadata=${metadata}`,
    { "x-lakehouse-job-id": "first" },
  );
  expect(status).toBe(200);
  expect(headers.get("x-lakehouse-job-id")).toBe("first");
  expect(body).toMatchObject({
    corpus: "resumes",
    version: 1,
    chunks_replaced: 0,
    index: { state: "building" },
  });
  expect(body.documents).toHaveLength(8);
  expect(body.failed.map(({ file, type }: { file: string; type: string }) => [file, type])).toEqual([
    ["cv/kim.txt", "conflict"],
    ["locked.pdf", "unprocessable"],
  ]);
  const job = await stack.ask("GET", "/ingest/jobs/first");
  expect(job.body).toMatchObject({ state: "done", files: { total: 10, done: 8, failed: 2 } });
  const rows = await stack.rows(
    "SELECT document, sum(length(text) - (char_end - char_start)) AS off, any_value(media_type) AS type, max(page) AS page FROM resumes GROUP BY 1 ORDER BY 1",
  );
  expect(rows.map(({ off }) => off)).toEqual(rows.map(() => 0));
  expect(rows.find(({ document }) => document === "jane.pdf")).toMatchObject({
    type: "application/pdf",
    page: 1,
  });
  expect(await originals()).toHaveLength(8);
});

test("words, vectors, filters into metadata, and SQL meet", async () => {
  await stack.built("resumes");
  expect((await found("plumber boilers"))[0]).toBe("cv/kim.txt");
  expect((await found("intensive care", { filter: { "metadata.team": "north" } }))[0]).toBe("cv/nurse.md");
  expect(await found("intensive care", { filter: { "metadata.team": "south" } })).toEqual([]);
  expect(await found("intensive care", { filter: { "metadata.level": { gte: 6 } } })).toEqual([]);
  const only = { sql_filter: "media_type = 'text/html' AND CAST(metadata->>'level' AS INT) = 5" };
  expect(await found("welder", only)).toEqual(["cv/crane.html"]);
});

test("an update takes the place of all rows of its document, and of its original", async () => {
  const { body } = await stack.load("resumes", [
    { name: "cv/kim.txt", bytes: "Kim Lee\n\nNow a baker in Kyoto." },
  ]);
  expect(body).toMatchObject({ version: 2, chunks: 1, chunks_replaced: 1 });
  const [row] = await stack.rows(
    "SELECT count(*) AS n, any_value(text) AS text FROM resumes WHERE document = 'cv/kim.txt'",
  );
  expect(row).toEqual({ n: 1, text: "Kim Lee\n\nNow a baker in Kyoto." });
  await untilOriginals(8);
  await stack.built("resumes");
  expect((await found("baker Kyoto"))[0]).toBe("cv/kim.txt");
  expect(await found("plumber boilers Osaka", { mode: "lexical" })).toEqual([]);
});

test("one delete takes rows, original and what is found; another document's same file stays", async () => {
  await stack.load("resumes", [
    { name: "copy.html", bytes: "<h1>Crane operator</h1><p>Tower cranes in Rotterdam.</p>" },
  ]);
  const { status, body } = await stack.ask(
    "DELETE",
    `/documents/${encodeURIComponent("cv/crane.html")}?corpus=resumes`,
  );
  expect(status).toBe(200);
  expect(body).toMatchObject({ document: "cv/crane.html", corpus: "resumes", version: 4, chunks: 1 });
  await stack.ask("DELETE", "/documents/ann.eml?corpus=resumes");
  await untilOriginals(7);
  await stack.built("resumes");
  expect(await found("Rotterdam", { mode: "lexical" })).toEqual(["copy.html"]);
  expect(await found("électricien", { mode: "lexical" })).toEqual([]);
});

test("list in pages; original with its type, text, JSON", async () => {
  const names: string[] = [];
  for (let token = ""; ; ) {
    const { body } = await stack.ask(
      "GET",
      `/documents?corpus=resumes&page_size=3${token && `&page_token=${token}`}`,
    );
    names.push(...body.documents.map(({ document }: { document: string }) => document));
    if (body.next_page_token === undefined) break;
    token = body.next_page_token;
  }
  expect(names).toEqual([
    "copy.html",
    "cv/kim.txt",
    "cv/nurse.md",
    "deck.pptx",
    "jane.docx",
    "jane.odt",
    "jane.pdf",
  ]);
  const get = (more: string, headers = {}) =>
    stack.send(new Request(`http://localhost/documents/${more}`, { headers }));
  const original = await get("jane.pdf?corpus=resumes");
  expect(Object.fromEntries(original.headers)).toMatchObject({
    "content-type": "application/pdf",
    "content-disposition": "attachment; filename*=UTF-8''jane.pdf",
    "content-security-policy": "sandbox",
  });
  expect(await original.bytes()).toEqual(part("jane.pdf").bytes);
  const range = await get("jane.pdf?corpus=resumes", { range: "bytes=0-4" });
  expect([range.status, await range.text()]).toEqual([206, "%PDF-"]);
  expect(await (await get("cv%2Fkim.txt?corpus=resumes&as=text")).text()).toBe(
    "Kim Lee\n\nNow a baker in Kyoto.",
  );
  expect((await stack.ask("GET", "/documents/jane.docx?corpus=resumes&as=json")).body).toMatchObject({
    document: "jane.docx",
    title: "Résumé of Jane Doe",
    author: "Jane Doe",
    metadata: { team: "north", level: 5 },
    chunks: 1,
  });
});

test("the text comes back from overlapping chunks", async () => {
  const text = Array.from(
    { length: 60 },
    (_, at) => `Paragraph ${at} 🌳 of a long text that goes on for a while.`,
  ).join("\n\n");
  const { body } = await stack.load(
    "long",
    [{ name: "l.txt", bytes: text }],
    "&chunk_size=200&chunk_overlap=60&id=the%20one",
  );
  expect(body.documents[0].document).toBe("the one");
  expect(body.chunks).toBeGreaterThan(10);
  const read = await stack.send(new Request("http://localhost/documents/the%20one?corpus=long&as=text"));
  expect(await read.text()).toBe(text);
});

test("a name whose letters are taken apart is the same name", async () => {
  const [whole, apart] = ["Zo\u00e9.txt", "Zoe\u0301.txt"];
  await stack.load("letters", [{ name: apart, bytes: "first" }]);
  const { body } = await stack.load("letters", [{ name: whole, bytes: "second" }]);
  expect(body).toMatchObject({ documents: [{ document: whole }], chunks_replaced: 1 });
  for (const name of [whole, apart]) {
    const path = `http://localhost/documents/${encodeURIComponent(name)}?corpus=letters`;
    expect(await (await stack.send(new Request(path))).text()).toBe("second");
  }
  const gone = await stack.ask("DELETE", `/documents/${encodeURIComponent(apart)}?corpus=letters`);
  expect(gone.status).toBe(200);
});

test("with an Idempotency-Key it is done once", async () => {
  const send = (bytes: string) =>
    stack.load("keyed", [{ name: "a.txt", bytes }], "", { "idempotency-key": "k1" });
  const first = await send("one");
  expect((await send("one")).body).toMatchObject({ version: first.body.version, chunks: 1 });
  expect((await send("two")).status).toBe(409);
  expect((await stack.catalogd.manifest({ name: "keyed" })).version).toBe(1);
});

test("archives give their files, each with its own fate", async () => {
  const tar = await new Bun.Archive({ "in/a.txt": "a plumber", "in/b.bin": "\0\0" } as never).bytes();
  const { body } = await stack.load("packed", [
    { name: "all.tar.gz", bytes: Bun.gzipSync(tar as Uint8Array<ArrayBuffer>) },
  ]);
  expect(body.documents.map(({ document }: { document: string }) => document)).toEqual(["in/a.txt"]);
  expect(body.failed).toMatchObject([{ file: "in/b.bin", type: "unsupported_media_type" }]);
});

test("what is not built when it is loaded is built at the next start", async () => {
  const away = await startContractPeer(matrixd, stack.directory, {});
  await stack.ingestd.stop();
  const { config } = stack.matrix;
  const base = stack.matrix.base;
  const peers = { storaged: base.storaged.peer, catalogd: base.catalogd.peer, queryd: base.queryd.peer };
  const start = (peer: typeof away.peer) =>
    startInProcess(
      { contract: ingestd, create: createIngestd },
      { config, peers: { ...peers, matrixd: peer } },
    );
  const without = await start(away.peer);
  const answer = await without.send(
    new Request("http://localhost/documents?corpus=later&file=a.txt", { method: "POST", body: "a glazier" }),
  );
  expect(await answer.json()).toMatchObject({ version: 1, index: { state: "failed" } });
  await without.stop();
  const back = await start(stack.matrix.matrixd.peer);
  await stack.built("later");
  const { body } = await stack.matrix.post("/search", { corpora: ["later"], query_text: "glazier" });
  expect(body.hits).toHaveLength(1);
  await back.stop();
  await away.stop();
});
