/**
 * A folder of real-format documents becomes a corpus: `bun tests/campaigns/inputs/documents.ts [--count 200] [--seed 1]`.
 * LibreOffice (`soffice`) writes DOCX, ODT and PDF; mail, HTML, Markdown and text are written here. Each document is found
 * by what it alone says, one is updated and one deleted. Prints one JSON line with figures; exits 1 when anything differs.
 */
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { campaignRules, runCampaign } from "../../support/campaigns/campaign.ts";
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
  for (let at = 0; at < count; at++) {
    const kind = kinds[at % kinds.length] ?? "txt";
    const { title, text } = pageOf(at);
    const html = `<!doctype html><html><head><meta charset="utf-8"><title>${title}</title></head><body><h1>${title}</h1><h2>Experience</h2><p>${text}</p></body></html>`;
    const path = join(folder, `${at}.${kind}`);
    if (kind === "html") writeFileSync(path, html);
    else if (kind === "md") writeFileSync(path, `# ${title}\n\n## Experience\n\n${text}\n`);
    else if (kind === "txt") writeFileSync(path, `${title}\n\n${text}\n`);
    else if (kind === "eml")
      writeFileSync(
        path,
        `From: p${at}@example.org\r\nTo: jobs@example.org\r\nSubject: ${`=?utf-8?B?${Buffer.from(title).toString("base64")}?=`}\r\nDate: Mon, 05 Feb 2024 10:00:00 +0100\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n${Buffer.from(text).toString("base64").replace(/.{76}/g, "$&\r\n")}\r\n`,
      );
    else {
      const source = join(sources, `${at}.html`);
      writeFileSync(source, html);
      converted.set(kind, [...(converted.get(kind) ?? []), source]);
    }
  }
  for (const [kind, files] of converted) await convert(home.path, kind, files);
  for (const [kind, files] of converted)
    for (const file of files) {
      const name = (file.split("/").at(-1) ?? "").replace("html", kind);
      renameSync(join(home.path, "made", name), join(folder, name));
    }
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
    const [row] = (await post("/v1/sql", {
      sql: "SELECT count(DISTINCT document) AS n FROM people",
    })) as never as { n: number }[];
    if (Number(row?.n) !== count - 1) wrong.push(`${row?.n} documents are left of ${count}`);
    return "";
  },
  end: async () => {
    await product?.end();
    home.remove();
  },
});
