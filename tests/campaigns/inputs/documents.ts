/**
 * A folder of real-format documents becomes a corpus: `bun tests/campaigns/inputs/documents.ts [--count 200] [--seed 1]`.
 * LibreOffice (`soffice`) writes DOCX, ODT and PDF, Python's `email` the mails; HTML, Markdown and text are written here. Each
 * document is found by what it alone says, one is updated, one deleted and one of each kind erased: then no file of
 * the data directory is the original, or holds its words, compressed or not. Prints one JSON line with figures; exits 1 when anything differs.
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { campaignRules, runCampaign } from "../../support/campaigns/campaign.ts";
import { filesWith } from "../../support/campaigns/needles.ts";
import { convert } from "../../support/campaigns/soffice.ts";
import { type Product, startProduct } from "../../support/product/product.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

const rules = campaignRules(200);
const { count, random } = rules;
const home = temporaryDirectory("campaign-documents");
const outcomes = { wrong: [] as string[], figures: {} as Record<string, unknown> };
const { wrong, figures } = outcomes;
const kinds = ["docx", "odt", "pdf", "eml", "html", "md", "txt"] as const;
const trades = ["welder", "nurse", "crane operator", "baker", "truck driver", "electrician"];
const cities = ["Gdańsk", "Oslo", "Rotterdam", "Porto", "Lyon", "Québec"];
const any = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;

/** Of a PDF, and of a text: which documents are deleted and updated. */
const deleted = 2;
const updated = 6;

/** A word that one document has. */
const markOf = (at: number): string =>
  `mark${(at * 7919 + 104_729).toString(36).replace(/\d/g, (digit) => "abcdefghij"[Number(digit)] ?? "")}x`;

function pageOf(at: number): { title: string; text: string } {
  const trade = any(trades);
  const lines = Array.from(
    { length: 12 },
    () => `Worked as ${trade} in ${any(cities)} for ${1 + Math.floor(random() * 20)} years.`,
  );
  return { title: `Person ${at}, ${trade}`, text: `${lines.join(" ")} Known by ${markOf(at)}.` };
}

async function makeAll(folder: string): Promise<void> {
  mkdirSync(folder);
  const sources = join(home.path, "sources");
  mkdirSync(sources);
  const converted = new Map<string, string[]>();
  const mails: object[] = [];
  for (let at = 0; at < count; at++) {
    const kind = kinds[at % kinds.length] ?? "txt";
    const { title, text } = pageOf(at);
    const html = `<!doctype html><html><head><meta charset="utf-8"><title>${title}</title></head><body><h1>${title}</h1><h2>Experience</h2><p>${text}</p></body></html>`;
    const path = join(folder, `${at}.${kind}`);
    if (kind === "html") writeFileSync(path, html);
    else if (kind === "md") writeFileSync(path, `# ${title}\n\n## Experience\n\n${text}\n`);
    else if (kind === "txt") writeFileSync(path, `${title}\n\n${text}\n`);
    else if (kind === "eml") mails.push({ path, from: `p${at}@example.org`, title, text, html });
    else {
      const source = join(sources, `${at}.html`);
      writeFileSync(source, html);
      converted.set(kind, [...(converted.get(kind) ?? []), source]);
    }
  }
  await writeMails(mails);
  for (const [kind, files] of converted) await convert(home.path, kind, files);
  for (const [kind, files] of converted)
    for (const file of files) {
      const name = (file.split("/").at(-1) ?? "").replace("html", kind);
      renameSync(join(home.path, "made", name), join(folder, name));
    }
}

/** In plain text and HTML, with a picture beside them. */
const mailWriter = `
import json, sys
from email.message import EmailMessage
for each in json.load(sys.stdin):
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = each["from"], "jobs@example.org", each["title"]
    mail["Date"] = "Mon, 05 Feb 2024 10:00:00 +0100"
    mail.set_content(each["text"])
    mail.add_alternative(each["html"], subtype="html")
    mail.add_attachment(b"GIF89a", maintype="image", subtype="gif", filename="photo.gif")
    open(each["path"], "wb").write(bytes(mail))
`;

async function writeMails(mails: readonly object[]): Promise<void> {
  const run = Bun.spawn(["python3", "-c", mailWriter], { stdin: "pipe", stderr: "inherit" });
  run.stdin.write(JSON.stringify(mails));
  await run.stdin.end();
  if ((await run.exited) !== 0)
    throw new Error(`the mails were not written: python3 ended with ${run.exitCode}`);
}

let product: Product | undefined;
const post = async (path: string, body: object): Promise<Record<string, never>> => {
  const headers = { "content-type": "application/json" };
  return (
    await fetch(`${product?.url}${path}`, { method: "POST", headers, body: JSON.stringify(body) })
  ).json() as never;
};
const find = async (text: string, mode = "hybrid"): Promise<string[]> => {
  const answer = await post("/v1/matrix/search", { corpora: ["people"], query_text: text, k: 1, mode });
  return ((answer.hits ?? []) as { metadata: { document: string } }[]).map(
    ({ metadata }) => metadata.document,
  );
};

async function load(folder: string): Promise<string> {
  const program = join(import.meta.dir, "../../../scripts/lakehouse/lakehouse.ts");
  const words = ["load", folder, "--corpus", "people", "--again", "--gateway", product?.url ?? ""];
  const run = Bun.spawn([process.execPath, program, ...words], { stdout: "pipe", stderr: "inherit" });
  const out = await new Response(run.stdout).text();
  if ((await run.exited) !== 0) wrong.push(`load ended with ${run.exitCode}: ${out}`);
  return out.trim();
}

/** Files below the data directory that are this document, or hold the word: as bytes, or in a column of a Parquet file. */
async function kept(original: Uint8Array, word: string): Promise<string[]> {
  for (;;)
    try {
      return await keptNow(original, word);
    } catch (cause) {
      // A file on its way went while it was looked at.
      if ((cause as NodeJS.ErrnoException).code !== "ENOENT") throw cause;
    }
}

async function keptNow(original: Uint8Array, word: string): Promise<string[]> {
  const data = join(home.path, "data");
  const files = readdirSync(data, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  const db = await (await DuckDBInstance.create(":memory:")).connect();
  const rows = async (path: string) => {
    const from = `read_parquet('${path}', hive_partitioning = false) AS r`;
    const found = await db.runAndReadAll(
      `SELECT 1 FROM ${from} WHERE contains(CAST(r AS VARCHAR), '${word}')`,
    );
    return found.getRows().length > 0;
  };
  const found = [...filesWith(data, word), ...files.filter((path) => readFileSync(path).equals(original))];
  for (const path of files) if (/\.parquet$/.test(path) && (await rows(path))) found.push(path);
  db.closeSync();
  return [...new Set(found)];
}

/** One of each kind; that of PDF was deleted before, and is first, for versions of before have it. */
async function checkErased(folder: string): Promise<void> {
  const others = kinds.map((kind, at) => (kind === "txt" ? at + kinds.length : at));
  const gone = [deleted, ...others.filter((at) => at !== deleted)];
  figures.erased = [];
  for (const at of gone) {
    const original = readFileSync(join(folder, `${at}.${kinds[at % kinds.length]}`));
    if ((await kept(original, markOf(at))).length === 0)
      wrong.push(`document ${at} was nowhere before it was erased`);
    const begun = performance.now();
    const answer = await post("/v1/erase", { subject: markOf(at), who: "the campaign", why: "to see it go" });
    (figures.erased as number[]).push(Math.round(performance.now() - begun));
    if (answer.state !== ("done" as never))
      wrong.push(`document ${at}: ${JSON.stringify(answer).slice(0, 1000)}`);
    for (const path of await kept(original, markOf(at))) wrong.push(`document ${at} is in ${path}`);
    if ((await find(markOf(at), "lexical")).length > 0) wrong.push(`document ${at} is found`);
  }
  const sql = "SELECT count(DISTINCT document) AS n FROM people";
  const [row] = (await post("/v1/sql", { sql })) as never as { n: number }[];
  if (Number(row?.n) !== count - gone.length) wrong.push(`${row?.n} documents are left of ${count}`);
  for (let at = 0; at < count; at++) {
    if (gone.includes(at) || at === updated) continue;
    const [first] = await find(`known by ${markOf(at)}`);
    if (!first?.startsWith(`${at}.`))
      wrong.push(`document ${at} is not found after others were erased: ${first}`);
  }
}

await runCampaign({
  name: "documents",
  rules: { ...rules, count: 1 },
  outcomes,
  cycle: async () => {
    const folder = join(home.path, "folder");
    await makeAll(folder);
    mkdirSync(join(home.path, "data"));
    product = await startProduct({ dataDir: join(home.path, "data") });
    const begun = performance.now();
    figures.said = await load(folder);
    const seconds = (performance.now() - begun) / 1000;
    Object.assign(figures, { documents: count, seconds, documents_per_second: count / seconds });
    for (let at = 0; at < count; at++) {
      const [first] = await find(`known by ${markOf(at)}`);
      if (!first?.startsWith(`${at}.`)) wrong.push(`document ${at} is not found: ${first}`);
    }
    const changed = join(home.path, "changed");
    mkdirSync(changed);
    writeFileSync(join(changed, "6.txt"), "Person 6\n\nNow a lighthouse keeper, zyxwold.\n");
    await load(changed);
    if ((await find("zyxwold"))[0] !== "6.txt") wrong.push("the update is not found");
    if ((await find(markOf(6), "lexical")).length > 0) wrong.push("what was replaced is found");
    const gone = await fetch(`${product.url}/v1/documents/2.pdf?corpus=people`, { method: "DELETE" });
    const { index } = (await gone.json()) as { index: { job_id: string } };
    await (await fetch(`${product.url}/v1/matrix/jobs/${index.job_id}/events`)).text();
    if ((await find(markOf(2), "lexical")).length > 0) wrong.push("what was deleted is found");
    await checkErased(folder);
    return "";
  },
  end: async () => {
    await product?.end();
    home.remove();
  },
});
