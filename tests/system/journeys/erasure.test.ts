/** A person is erased from the whole product: from no byte of any file could they be known again. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { filesWith } from "../../support/campaigns/needles.ts";
import { type ApiCase, runCase } from "../../support/clients/api-case.ts";
import { sendJson } from "../../support/clients/send-json.ts";
import { ingest, type Product, sql, startProduct } from "../../support/product/product.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

const home = temporaryDirectory("erasure");
const needle = "jane.doe@example.org";
const reasons = { who: "the data officer", why: "case 12" };
let product: Product;

beforeAll(async () => {
  product = await startProduct({ dataDir: home.path });
});
afterAll(async () => {
  await product.end();
  home.remove();
});

const send = (method: string, path: string, body?: object) => sendJson(product.url + path, method, body);

const csv = (rows: readonly string[]) => `id,name,mail\n${rows.join("\n")}\n`;

async function datasets(): Promise<void> {
  const load = async (query: string, text: string) =>
    expect((await ingest(product.url, query, text)).status).toBe(200);
  await load("name=people", csv(["1,Ann,ann@example.org", `2,Jane,${needle}`]));
  await load("name=people&mode=append", csv(["3,Bob,bob@example.org"]));
  await load("name=calls", csv(["1,Customer Zanzibar-4711,", "2,Customer Oslo-815,"]));
  await load("name=others", csv(["1,Ann,ann@example.org"]));
  await load("name=gone", csv([`1,Jane,${needle}`]));
  await send("DELETE", "/v1/catalog/manifest/gone");
  await load("name=formerly", csv([`1,Jane,${needle}`]));
  await load("name=formerly&mode=replace", csv(["1,Ann,ann@example.org"]));
  await load("name=bad&on_error=reject&types=id:BIGINT", csv(["1,Ann,a", `x,Jane,${needle}`]));
  const sqlOf = (mail: string) => ({ sql: `SELECT id FROM people WHERE mail = '${mail}'` });
  await send("PUT", "/v1/queries/jane", sqlOf("nobody"));
  await send("PUT", "/v1/queries/jane", sqlOf(needle));
  await send("PUT", "/v1/queries/ann", sqlOf("ann@example.org"));
}

async function operations(): Promise<void> {
  const event = { endpoint: "/x", success: false, duration_ms: 1, error: `no answer for ${needle}` };
  await send("POST", "/v1/observer/event", { ...event, source: "scenario" });
  await send("POST", "/v1/observer/event", { endpoint: "/y", success: true, duration_ms: 1 });
  const review = await send("POST", "/v1/observer/review", { task: "Who?", output: `It is ${needle}.` });
  await send("POST", "/v1/observer/scores", { review_id: review.id, score: 1, by: "eve" });
  const run = { endpoint: "/v1/chat", source: "scenario", success: true, duration_ms: 1, run_id: "r1" };
  await send("POST", "/v1/observer/event", {
    ...run,
    input_summary: "Who?",
    output_summary: `It is ${needle}.`,
  });
  const { sets } = await send("POST", "/v1/observer/distill", { include_unreviewed: true });
  expect(sets[0].examples).toBeGreaterThan(0);
}

const followed = async (job: string) =>
  void (await (await fetch(`${product.url}/v1/matrix/jobs/${job}/events`)).text());

async function memories(): Promise<void> {
  await send("POST", "/v1/pathway/add", { uid: "a", content: `wrote to ${needle}` });
  await send("POST", "/v1/pathway/add", { uid: "kept", content: "of somebody else" });
  const spec = {
    name: "people",
    dataset: "people",
    id_column: "id",
    text_columns: ["name"],
    metadata_columns: ["mail"],
  };
  await followed((await send("POST", "/v1/matrix/corpora", spec)).job_id);
  // These do not hold what the rows are found by.
  const names = { name: "names", dataset: "people", id_column: "id", text_columns: ["name"] };
  await followed((await send("POST", "/v1/matrix/corpora", names)).job_id);
  const { dataset: _, ...told } = { ...names, name: "told", sql: "SELECT id, name FROM people" };
  await followed((await send("POST", "/v1/matrix/corpora", told)).job_id);
  const playbook = { query_text: "Who is to be asked?", corpus: "people", answer_id: "1" };
  await send("POST", "/v1/matrix/playbooks/record", playbook);
  await send("POST", "/v1/matrix/playbooks/record", { ...playbook, answer_id: "2", note: `Ask ${needle}.` });
}

async function vectors(): Promise<void> {
  await send("POST", "/v1/vectors/index", { name: "faces", dimension: 2, metric: "cosine" });
  const add = (items: object[]) => send("POST", "/v1/vectors/index/faces/add", { items });
  await add([
    { id: "1", vector: [1, 0], metadata: { mail: needle } },
    { id: "2", vector: [0, 1], metadata: { mail: "ann@example.org" } },
    { id: "3", vector: [1, 1], metadata: { mail: needle } },
  ]);
  await send("POST", "/v1/vectors/index/faces/snapshots", {});
  // It is replaced: what it said before is in the journal, and in the snapshot.
  await add([{ id: "3", vector: [1, 1], metadata: { mail: "bob@example.org" } }]);
}

async function loadDocuments(files: Record<string, Uint8Array | string>): Promise<void> {
  const form = new FormData();
  for (const [name, bytes] of Object.entries(files))
    form.append("file", new Blob([bytes as Uint8Array<ArrayBuffer>]), name);
  const response = await fetch(`${product.url}/v1/documents?corpus=papers`, { method: "POST", body: form });
  expect(response.status).toBe(200);
  const { index } = (await response.json()) as { index: { job_id?: string } };
  if (index.job_id) await followed(index.job_id);
}

const fixtures = join(import.meta.dir, "../../fixtures/ingestd/documents");
const originals = await Promise.all(
  ["jane.docx", "jane.odt", "jane.pdf", "deck.pptx", "ann.eml"].map(
    async (name) => [name, await Bun.file(join(fixtures, name)).bytes()] as const,
  ),
);

async function documents(): Promise<void> {
  await loadDocuments({ ...Object.fromEntries(originals), "notes.md": `# Notes\n\nAsk ${needle} first.\n` });
  await loadDocuments({ "notes.md": "# Notes\n\nAsk nobody.\n" });
}

/** Files of the data directory that are these very bytes. */
const copiesOf = (bytes: Uint8Array): string[] =>
  readdirSync(home.path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => readFileSync(path).equals(bytes));

const bad: ApiCase[] = [
  ["nobody", { ...reasons }, "invalid_field", "subject"],
  ["too little to be found", { subject: "ab", ...reasons }, "invalid_field", "subject"],
  ["another name that is too little", { subject: needle, also: ["ab"], ...reasons }, "invalid_field", "also"],
  ["neither a text nor a cell", { subject: 5, ...reasons }, "invalid_field", "subject"],
  ["a cell of no column", { subject: { equals: 5 }, ...reasons }, "invalid_field", "subject.column"],
  [
    "a cell without a value",
    { subject: { column: "id", equals: null }, ...reasons },
    "invalid_field",
    "equals",
  ],
  ["an empty value", { subject: { column: "id", equals: "" }, ...reasons }, "invalid_field", "equals"],
  [
    "a value that is no scalar",
    { subject: { column: "id", equals: [1] }, ...reasons },
    "invalid_field",
    "equals",
  ],
  [
    "digits that JSON loses",
    { subject: { column: "id", equals: 2 ** 60 }, ...reasons },
    "invalid_field",
    "as text",
  ],
  ["a cell with more", { subject: { column: "id", equals: 1, is: 1 }, ...reasons }, "unknown_field", "is"],
  ["a cell among names", { subject: needle, also: [{ column: "" }], ...reasons }, "invalid_field", "also.0"],
  [
    "a reason that keeps the value of a cell",
    { subject: { column: "id", equals: 4711 }, who: "me", why: "4711 asked" },
    "invalid_field",
    "names the subject",
  ],
  ["a NUL", { subject: "jane\0doe", ...reasons }, "invalid_field", "without NUL"],
  [
    "half a surrogate pair",
    { subject: needle, also: ["jane\ud800"], ...reasons },
    "invalid_field",
    "subject",
  ],
  ["a NUL in a cell", { subject: { column: "id", equals: "a\0" }, ...reasons }, "invalid_field", "equals"],
  ["a NUL in a column", { subject: { column: "i\0d", equals: 1 }, ...reasons }, "invalid_field", "column"],
  ["no letter", { subject: "-.-", ...reasons }, "invalid_field", "letter or digit"],
  ["nobody who asks", { subject: needle, why: "case 12" }, "invalid_field", "who"],
  ["no reason", { subject: needle, who: "me", why: " " }, "invalid_field", "why"],
  [
    "a reason that keeps the person",
    { subject: needle, who: "me", why: `as ${needle} asked` },
    "invalid_field",
    "names the subject",
  ],
  ["an unknown field", { subject: needle, ...reasons, force: true }, "unknown_field", "force"],
].map(([name, body, type, contains]) => ({
  ...{ name: String(name), method: "POST", path: "/v1/erase", body: body as Record<string, unknown> },
  ...{ type: String(type), contains: [String(contains)], lacks: [needle] },
}));

test.each(bad)("erase: $name", (row) => runCase(row, (request) => fetch(request), product.url));

test("everything that names the person goes, and who asked for it, when and why is kept", async () => {
  await datasets();
  await memories();
  await vectors();
  await documents();
  await operations();
  await send("PUT", "/v1/storage/put/letters/1.txt", { to: needle });
  expect(filesWith(home.path, needle).length).toBeGreaterThan(10);

  const dry = await send("POST", "/v1/erase", { subject: needle, ...reasons, dry_run: true });
  expect(dry).toMatchObject({ dry_run: true, state: "done" });
  const done = await send("POST", "/v1/erase", {
    subject: needle,
    also: ["customer zanzibar-4711"],
    ...reasons,
  });
  expect(await sql(product.url, "SELECT id FROM calls")).toEqual([{ id: 2 }]);
  expect(filesWith(home.path, "Zanzibar-4711")).toEqual([]);
  expect(done).toMatchObject({ dry_run: false, state: "done", ...reasons });
  const left = done.services.flatMap((service: { left: object[] }) => service.left);
  expect(left).toMatchObject([{ place: "primary://letters/1.txt" }]);
  await send("DELETE", "/v1/storage/delete/letters/1.txt");
  expect(filesWith(home.path, needle)).toEqual([]);
  expect((await send("GET", "/v1/erasures")).erasures).toMatchObject([
    { id: done.id, state: "done", ...reasons },
  ]);
  expect((await send("GET", "/v1/system")).erasures_open).toEqual([]);
  expect(await sql(product.url, "SELECT id FROM people ORDER BY id")).toEqual([{ id: 1 }, { id: 3 }]);
  expect(await send("GET", "/v1/observer/stats")).toMatchObject({ total: 3, failures: 1 });
  expect((await send("GET", "/v1/queries")).queries).toMatchObject([{ name: "ann" }]);
  expect((await send("GET", "/v1/matrix/playbooks")).playbooks).toMatchObject([{ answer_id: "1" }]);
  const about = { corpora: ["people", "names", "told"], query_text: "Jane", mode: "lexical" };
  expect((await send("POST", "/v1/matrix/search", about)).hits).toEqual([]);
  expect(await send("GET", "/v1/vectors/index/faces")).toMatchObject({ count: 2, deleted: 0 });
});

test("rows go by a cell of a column, with what corpora made of them, and no row beside", async () => {
  const staff = "badge,trade,note\n41,welder,knows 42\n42,nurse,Quux\n421,baker,\n";
  expect((await ingest(product.url, "name=staff", staff)).status).toBe(200);
  // Its rejects are committed with it: manifests of both tell the bounds of columns as text.
  const paid = "account,n\n998877665,1\n5,2\nZebedee,x\n";
  expect((await ingest(product.url, "name=paid&on_error=reject&types=n:BIGINT", paid)).status).toBe(200);
  expect(filesWith(home.path, "998877665")).not.toEqual([]);
  const built = { id_column: "badge", text_columns: ["trade", "note"] };
  for (const spec of [
    { ...built, name: "staff", dataset: "staff" },
    { ...built, name: "made", sql: "SELECT 40 + unnest([1, 2]) AS badge, 'x' AS trade, 'y' AS note" },
  ])
    await followed((await send("POST", "/v1/matrix/corpora", spec)).job_id);
  const cells = [
    { column: "account", equals: 998877665 },
    { column: "text", equals: "Zebedee,x" },
  ];
  const asked = { subject: { column: "BADGE", equals: 42 }, also: ["Quux 4712", ...cells], ...reasons };
  const { services } = await send("POST", "/v1/erase", { ...asked, also: [], dry_run: true });
  expect(services.flatMap((each: { removed: object[] }) => each.removed)).toEqual([
    { place: "catalogd/staff", what: "rows", count: 1 },
    { place: "matrixd/made", what: "rows", count: 1 },
    { place: "matrixd/staff", what: "rows", count: 1 },
  ]);
  const done = await send("POST", "/v1/erase", asked);
  expect(done.state).toBe("done");
  expect(done.services.flatMap((each: { left: object[] }) => each.left)).toMatchObject([
    { place: "matrixd/made", why: expect.stringContaining("statement") },
  ]);
  expect(await sql(product.url, "SELECT badge FROM staff ORDER BY badge")).toEqual([
    { badge: 41 },
    { badge: 421 },
  ]);
  for (const word of ["Quux", "998877665", "Zebedee"]) expect(filesWith(home.path, word)).toEqual([]);
  const { corpora } = await send("GET", "/v1/matrix/corpora");
  expect(corpora.filter(({ name }: { name: string }) => ["made", "staff"].includes(name))).toMatchObject([
    { name: "made", rows: 1 },
    { name: "staff", rows: 2 },
  ]);
});

test("documents of many formats go whole, with their originals and what is searched", async () => {
  const janes = originals.filter(([name]) => name.startsWith("jane"));
  for (const [, bytes] of janes) expect(copiesOf(bytes)).toHaveLength(1);
  const { state, services } = await send("POST", "/v1/erase", { subject: "jane doe", ...reasons });
  expect(services.filter((each: { state: string }) => each.state === "open")).toEqual([]);
  expect(state).toBe("done");
  expect(services.find((each: { service: string }) => each.service === "ingestd").removed).toContainEqual({
    place: "catalogd/papers",
    what: "documents",
    count: 3,
  });
  for (const [, bytes] of janes) expect(copiesOf(bytes)).toEqual([]);
  expect(filesWith(home.path, "Jane Doe")).toEqual([]);
  const { documents: rest } = await send("GET", "/v1/documents?corpus=papers");
  expect(rest.map((each: { document: string }) => each.document)).toEqual([
    "ann.eml",
    "deck.pptx",
    "notes.md",
  ]);
  const found = await send("POST", "/v1/matrix/search", {
    corpora: ["papers"],
    query_text: "References are given on request",
  });
  expect(JSON.stringify(found)).not.toContain("jane");
});

test("killed in the middle it goes on by itself; fsck finds nothing wrong", async () => {
  const before = await send("GET", "/v1/erasures");
  const subject = "ann@example.org";
  expect(filesWith(home.path, subject)).not.toEqual([]);
  const asked = send("POST", "/v1/erase", { subject, ...reasons }).catch(() => undefined);
  // It is written down before the first service is asked.
  while ((await send("GET", "/v1/erasures")).erasures.length === before.erasures.length) await Bun.sleep(1);
  await product.end("SIGKILL");
  await asked;
  product = await startProduct({ dataDir: home.path });
  while ((await send("GET", "/v1/system")).erasures_open.length > 0) await Bun.sleep(20);
  const { erasures } = await send("GET", "/v1/erasures");
  expect(erasures[0]).toMatchObject({ state: "done", ...reasons });
  expect(erasures.slice(1)).toEqual(before.erasures);
  expect(filesWith(home.path, subject)).toEqual([]);
  expect((await fetch(`${product.url}/readyz`)).status).toBe(200);
  for (const service of ["catalogd", "vectord", "matrixd", "observerd", "pathwayd", "storaged", "ingestd"]) {
    const lines = await (await fetch(`${product.url}/v1/durable/${service}/inspect`)).text();
    expect(lines).not.toContain('"finding"');
  }
});
