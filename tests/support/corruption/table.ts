/** docs/integrity.md: what becomes of each damage, as the campaign found it. */
import { join } from "node:path";
import { type Case, type Damage, damages, type Verdict } from "./corruption.ts";

const file = join(import.meta.dir, "../../../docs/integrity.md");
const titles = { local: "Buckets on a local disk", s3: "The bucket on an S3 server" } as const;
export type TablePlace = keyof typeof titles;

const head = `# What becomes of damaged files

Made by \`bun tests/campaigns/faults/corruption.ts\` (and \`--s3 rgw\`): do not edit. A product is filled and stopped, one file of
each kind is damaged in a copy of it, and the copy is started.

- **named**: \`/readyz\` of the service and of the gateway, and \`fsck\`, name it; what depends on it is refused with \`corrupt\`
  or served right; everything else is served right, and nothing older is served as current.
- **harmless**: everything that was acknowledged is answered right, and nothing is said.
- **in part**: named as well, and of a log that is served without its damaged lines: what they held is missing from answers.
- **OPEN**: none of these; listed below the table.
- **–**: there is no such damage, as to a file that is one record or has no older copy.

*Older* is a copy of the file taken before half of what was acknowledged, with its checksum; of files that are never replaced it is
another one of the kind, with the checksum that is right for it.
`;

/** What no table says. */
const notes = {
  local: `Files of open tables are written by engines of others, in formats that have no checksum of all that is in them: what those
and sizes show is named.
`,
  s3: `What a dataset, an index, a corpus or a document consists of is known apart from the bucket: manifests have each object's size and
etag, journals their segments, rows the SHA-256 of originals; storaged's inventory has the etag of every object that was
stored through it, whoever stored it (ADR 0123). So fsck names what is gone, older or another one, and readiness does once
it was asked for. Without its inventory storaged serves what is there, and begins a new one with what is written next.
`,
} as const;

interface Found {
  place: TablePlace;
  verdicts: readonly [Case, Verdict][];
  seed: number;
  count: number;
}

const ranks: readonly string[] = ["harmless", "named", "in part"];
const rank = (verdict: Verdict): number => (ranks.includes(verdict) ? ranks.indexOf(verdict) : ranks.length);
const short = (verdict: Verdict | undefined): string =>
  verdict === undefined ? "–" : verdict.startsWith("OPEN") ? "**OPEN**" : verdict;

/** Replaces what the table of the place says of these kinds; the rest stays. */
export async function writeTable(found: Found): Promise<void> {
  const old = await Bun.file(file)
    .text()
    .catch(() => "");
  const sections = (Object.keys(titles) as TablePlace[]).map((place) => {
    const before = sectionIn(old, place);
    return place === found.place ? sectionOf(found, before) : before;
  });
  await Bun.write(file, [head, ...sections.filter((text) => text !== "")].join("\n"));
}

const sectionIn = (text: string, place: TablePlace): string =>
  new RegExp(`## ${titles[place]}\\n[^]*?(?=\\n## |$)`).exec(text)?.[0] ?? "";

/** Rows and gaps of a section, by the kind that they begin with. */
const linesIn = (section: string, form: RegExp): Map<string, string> =>
  new Map([...section.matchAll(form)].map(([line, kind = ""]) => [`${kind}\n${line}`, line]));

function sectionOf({ place, verdicts, seed, count }: Found, before: string): string {
  const rows = new Map<string, Map<Damage, Verdict>>();
  const gaps = new Set<string>();
  for (const [{ kind, damage }, verdict] of verdicts) {
    const row = rows.get(kind.name) ?? new Map<Damage, Verdict>();
    rows.set(kind.name, row);
    const known = row.get(damage);
    if (known === undefined || rank(verdict) > rank(known)) row.set(damage, verdict);
    if (verdict.startsWith("OPEN")) gaps.add(`- ${kind.name}: ${damage}: ${verdict.slice("OPEN: ".length)}`);
  }
  const kept = (lines: Map<string, string>) =>
    [...lines].filter(([key]) => !rows.has(key.slice(0, key.indexOf("\n")))).map(([, line]) => line);
  const lines = [
    ...kept(linesIn(before, /^\| (?!file \|)(.+?) \|.*$/gm)),
    ...[...rows].map(
      ([name, row]) => `| ${name} | ${damages.map((damage) => short(row.get(damage))).join(" | ")} |`,
    ),
  ].sort();
  const open = [...kept(linesIn(before, /^- (.+?): .*$/gm)), ...gaps].sort();
  const cells = lines.flatMap((line) => line.split(" | ").slice(1)).filter((cell) => !cell.startsWith("–"));
  const closed = cells.filter((cell) => !cell.includes("OPEN")).length;
  return [
    `## ${titles[place]}`,
    "",
    `${cells.length} kinds of damage, \`--seed ${seed} --count ${count}\`: ${closed} named, in part or harmless.`,
    "",
    `| file | ${damages.join(" | ")} |`,
    `|---|${damages.map(() => "---|").join("")}`,
    ...lines,
    ...(open.length > 0 ? ["", "Open:", "", ...open] : []),
    "",
    notes[place],
  ].join("\n");
}
