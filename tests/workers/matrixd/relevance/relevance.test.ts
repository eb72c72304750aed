/** The relevance filter: each kind of evidence, its reasons, and how well it parts a labelled set. */
import { describe, expect, test } from "bun:test";
import { pathNearness } from "../../../../workers/matrixd/relevance/paths.ts";
import { relevanceVerbs } from "../../../../workers/matrixd/relevance/relevance.ts";
import { relevanceTo, thresholdDefault } from "../../../../workers/matrixd/relevance/scoring.ts";
import { definedIn, stem } from "../../../../workers/matrixd/relevance/words.ts";
import { processorMs } from "../../../support/product/processor-time.ts";

const chunk = (text: string, more: { path?: string; symbols?: string[]; score?: number } = {}) => ({
  id: "c",
  text,
  ...more,
});

describe("paths", () => {
  const rows: [focus: string, path: string, nearness: string][] = [
    ["services/vectord/scroll.ts", "services/vectord/scroll.ts", "file"],
    ["services/vectord/scroll.ts", "/srv/lake/services/vectord/scroll.ts", "file"],
    ["./services/vectord/scroll.ts", "services\\vectord\\scroll.ts", "file"],
    ["scroll.ts", "services/vectord/scroll.ts", "name"],
    ["services/vectord/scroll.ts", "tests/services/vectord/scroll.test.ts", "companion"],
    ["services/vectord/scroll.ts", "services/vectord/planner.ts", "directory"],
    ["services/vectord/service.ts", "services/catalogd/service.ts", "none"],
    ["src/a.ts", "lib/b.ts", "none"],
    ["a.ts", "b.ts", "none"],
    ["", "a.ts", "none"],
  ];
  test.each(rows)("%s and %s: %s", (focus, path, nearness) => {
    expect(pathNearness(focus, path)).toBe(nearness as never);
  });
});

describe("words", () => {
  const rows: [word: string, stemmed: string][] = [
    ["operators", "operator"],
    ["caresses", "caress"],
    ["ponies", "poni"],
    ["agreed", "agree"],
    ["plastered", "plaster"],
    ["motoring", "motor"],
    ["sing", "sing"],
    ["hopping", "hop"],
    ["filing", "file"],
    ["conflated", "conflate"],
    ["happy", "happi"],
    ["sky", "sky"],
    ["größe", "größe"],
  ];
  test.each(rows)("%s is %s, as Porter's steps 1a to 1c say", (word, stemmed) =>
    expect(stem(word)).toBe(stemmed),
  );

  test("definitions of several languages, and no control flow", () => {
    const text = `
export async function openLog(path) {}
class LineLog {
  async append(record: string): Promise<void> {
    if (broken) { return; }
    for (const each of all) {}
  }
}
const limit = 3; def parse_row(x): pass
fn read_all() {}
func (s *Store) Get(key string) string {}
CREATE TABLE IF NOT EXISTS rows (id int);`;
    const names = definedIn(text);
    for (const name of ["openLog", "LineLog", "append", "limit", "parse_row", "read_all", "Get", "rows"])
      expect(names.has(name)).toBe(true);
    for (const name of ["if", "for"]) expect(names.has(name)).toBe(false);
  });
});

describe("evidence", () => {
  const focus = {
    path: "services/matrixd/playbook-store.ts",
    symbols: ["openPlaybookStore", "Store.change"],
    terms: ["group commit", "compaction", "checksum"],
  };
  const of = relevanceTo(focus);

  test("a definition is more than a mention, and a mention more than nothing", () => {
    const defined = of(chunk("export async function openPlaybookStore(directory) {"));
    const mentioned = of(chunk("await openPlaybookStore(directory)"));
    const nothing = of(chunk("await openOther(directory)"));
    expect(defined.because).toEqual(["defines openPlaybookStore"]);
    expect(mentioned.because).toEqual(["mentions openPlaybookStore"]);
    expect(nothing).toEqual({ score: 0, because: ["nothing of the focus is in it"] });
    expect(defined.score).toBeGreaterThan(mentioned.score);
  });

  test("symbols that the caller gives with the chunk count as defined", () => {
    expect(of(chunk("…", { symbols: ["openPlaybookStore"] })).because).toEqual(["defines openPlaybookStore"]);
  });

  test("of a dotted name the owner must be there, too", () => {
    expect(of(chunk("function change() {}")).score).toBe(0);
    expect(of(chunk("class Store {\n  change() {}\n}")).because).toContain("defines Store.change");
  });

  test("terms are found in other forms, in identifiers, in any case", () => {
    const { because } = of(chunk("const groupCommits = 1; // CHECKSUMS of it"));
    expect(because).toEqual(["has 2 of 3 terms: group commit, checksum"]);
  });

  test("evidence adds up and stays below 1", () => {
    const one = of(chunk("checksum"));
    const two = of(chunk("checksum compaction"));
    const all = of(
      chunk("function openPlaybookStore() { group commit; compaction; checksum }", { path: focus.path }),
    );
    expect(two.score).toBeGreaterThan(one.score);
    expect(all.score).toBeGreaterThan(0.95);
    expect(all.score).toBeLessThanOrEqual(1);
    expect(all.because).toHaveLength(3);
  });

  test("the neighbour alone is noise, and it is said", () => {
    const neighbour = of(chunk("const other = 1;", { path: "services/matrixd/rerank.ts" }));
    expect(neighbour.score).toBeLessThan(thresholdDefault);
    expect(neighbour.because).toEqual([
      "same directory as services/matrixd/playbook-store.ts",
      "only adjacent: nothing of its own is in the focus",
    ]);
  });

  test("generic words and names alone are noise", () => {
    const text = "function get(id) { return data.value.list.type }";
    const some = { symbols: ["get", "id"], terms: ["data", "type", "value", "list"] };
    const { score, because } = relevanceTo({ ...some, terms: [...some.terms, "torn line"] })(chunk(text));
    expect(score).toBeLessThan(thresholdDefault);
    expect(because.at(-1)).toStartWith("only adjacent");
    // When all that is asked for is generic, it is what is asked for.
    expect(relevanceTo(some)(chunk(text)).score).toBeGreaterThan(0.9);
  });

  test("reasons are bounded", () => {
    const symbols = Array.from({ length: 500 }, (_, at) => `symbol${at}`);
    const { because } = relevanceTo({ symbols })(chunk(symbols.join(" ")));
    expect(because).toHaveLength(9);
    expect(because.at(-1)).toBe("and 492 more");
  });
});

interface Labelled {
  about: string;
  text: string;
  path?: string;
  relevant: boolean;
}
const task = {
  path: "services/ingestd/dialect.ts",
  symbols: ["sniffDialect", "Dialect"],
  terms: ["delimiter", "quote character", "header row", "encoding", "preview"],
};
const labelled: Labelled[] = [
  {
    about: "the function",
    relevant: true,
    path: "services/ingestd/dialect.ts",
    text: "export function sniffDialect(sample: string): Dialect {\n  const delimiter = guess(sample);",
  },
  {
    about: "its type elsewhere",
    relevant: true,
    path: "services/ingestd/contract.ts",
    text: "export interface Dialect { delimiter: string; quote: string }",
  },
  {
    about: "a caller",
    relevant: true,
    path: "services/ingestd/preview.ts",
    text: "const dialect = sniffDialect(head);\n// The preview tells delimiter and header row.",
  },
  {
    about: "its test",
    relevant: true,
    path: "tests/services/ingestd/dialect.test.ts",
    text: "test('semicolons', () => expect(sniff('a;b')).toEqual(';'))",
  },
  {
    about: "prose on it",
    relevant: true,
    path: "docs/csv.md",
    text: "The delimiter and the quote character are found by counting; the encoding is told by the BOM.",
  },
  {
    about: "prose in other forms",
    relevant: true,
    path: "docs/limits.md",
    text: "Delimiters, encodings and header rows can be given in the query.",
  },
  {
    about: "a neighbour",
    relevant: false,
    path: "services/ingestd/jobs.ts",
    text: "export function createJobs(limit: number) { return new Map<string, Job>(); }",
  },
  {
    about: "a neighbour with generic words",
    relevant: false,
    path: "services/ingestd/service.ts",
    text: "const result = await run(input); return { status: 200, data: result };",
  },
  {
    about: "one word in passing",
    relevant: false,
    path: "services/queryd/csv.ts",
    text: "function writeRow(row: unknown[], delimiter = ',') { return row.join(delimiter); }",
  },
  {
    about: "another subject",
    relevant: false,
    path: "services/vectord/scroll.ts",
    text: "export function scroll(rows: Rows, page: Page) { return rows.slice(page.from, page.to); }",
  },
  {
    about: "the same file name elsewhere",
    relevant: false,
    path: "services/chatd/provider.ts",
    text: "interface Provider { name: string }",
  },
  { about: "empty", relevant: false, text: "" },
];

test("parts a labelled set without a fault, and better than the directory alone", () => {
  const of = relevanceTo(task);
  const faults = labelled.filter(
    ({ text, path, relevant }) =>
      of(chunk(text, path === undefined ? {} : { path })).score >= thresholdDefault !== relevant,
  );
  expect(faults.map(({ about }) => about)).toEqual([]);
  const byDirectory = labelled.filter(
    ({ path = "", relevant }) => path.startsWith("services/ingestd/") !== relevant,
  );
  expect(byDirectory.length).toBeGreaterThan(3);
});

describe("the verb", () => {
  const { relevance } = relevanceVerbs;
  const context = { requestId: "r", signal: new AbortController().signal };

  test("parts by the threshold, best first; equal ones as the retrieval ranked them", async () => {
    const chunks = [
      { id: "low", text: "checksum", score: 0.1 },
      { id: "none", text: "else" },
      { id: "high", text: "checksum", score: 0.9 },
      { id: "best", text: "checksum of a torn line" },
    ];
    const focus = { terms: ["checksum", "torn line"] };
    const answer = await relevance({ focus, chunks }, context);
    expect(answer.kept.map(({ id }) => id)).toEqual(["best", "high", "low"]);
    expect(answer.dropped.map(({ id }) => id)).toEqual(["none"]);
    expect(answer.threshold).toBe(thresholdDefault);
    expect((await relevance({ focus, chunks, threshold: 0 }, context)).dropped).toEqual([]);
    expect((await relevance({ focus, chunks, threshold: 0.75 }, context)).kept.map(({ id }) => id)).toEqual([
      "best",
    ]);
  });

  test("hostile text is read in time linear in its length", async () => {
    const texts = [
      "function ".repeat(25_000),
      "a (".repeat(60_000),
      `${" ".repeat(200_000)}x`,
      "public static ".repeat(15_000),
      "aA".repeat(100_000),
      "func (".repeat(40_000),
    ];
    const chunks = texts.map((text, at) => ({ id: String(at), text }));
    const read = () => relevance({ focus: { symbols: ["x"], terms: ["y"] }, chunks }, context);
    expect(await processorMs(read)).toBeLessThan(5000);
  });

  test("other work of the thread gets its turns while thousands of chunks are read", async () => {
    const text = "some words of a chunk that names a delimiter and a quote ".repeat(12);
    const chunks = Array.from({ length: 4000 }, (_, at) => ({ id: String(at), text }));
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    await relevance({ focus: task, chunks }, context);
    clearInterval(timer);
    expect(turns).toBeGreaterThan(3);
  });
});
