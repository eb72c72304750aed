/** docs/integrity.md: what becomes of each damage, as the campaign found it. */
import { join } from "node:path";
import { type Case, type Damage, damages, type Verdict } from "./corruption.ts";

const file = join(import.meta.dir, "../../docs/integrity.md");
const titles = { local: "Buckets on a local disk", s3: "The bucket on an S3 server" } as const;
export type TablePlace = keyof typeof titles;

const head = `# What becomes of damaged files

Made by \`bun tests/campaigns/corruption.ts\` (and \`--s3 rgw\`): do not edit. A product is filled and stopped, one file of
each kind is damaged in a copy of it, and the copy is started.

- **named**: \`/readyz\` of the service and of the gateway, and \`fsck\`, name it; what depends on it is refused with \`corrupt\`
  or served right; everything else is served right, and nothing older is served as current.
- **harmless**: everything that was acknowledged is answered right, and nothing is said.
- **in part**: named as well, and of a log that is served without its damaged lines: what they held is missing from answers.
- **OPEN**: none of these; listed below the table.
- **–**: there is no such damage, as to a file that is one record or has no older copy.

*Older* is a copy of the file taken before half of what was acknowledged.
`;

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

/** Replaces the table of the place; the other one stays. */
export async function writeTable(found: Found): Promise<void> {
  const old = await Bun.file(file)
    .text()
    .catch(() => "");
  const sections = (Object.keys(titles) as TablePlace[]).map((place) =>
    place === found.place ? sectionOf(found) : (sectionIn(old, place) ?? ""),
  );
  await Bun.write(file, `${[head, ...sections.filter((text) => text !== "")].join("\n")}`);
}

const sectionIn = (text: string, place: TablePlace): string | undefined =>
  new RegExp(`## ${titles[place]}\\n[^]*?(?=\\n## |$)`).exec(text)?.[0];

function sectionOf({ place, verdicts, seed, count }: Found): string {
  const rows = new Map<string, Map<Damage, Verdict>>();
  const gaps = new Set<string>();
  for (const [{ kind, damage }, verdict] of verdicts) {
    const row = rows.get(kind.name) ?? new Map<Damage, Verdict>();
    rows.set(kind.name, row);
    const before = row.get(damage);
    if (before === undefined || rank(verdict) > rank(before)) row.set(damage, verdict);
    if (verdict.startsWith("OPEN")) gaps.add(`- ${kind.name}, ${damage}: ${verdict.slice("OPEN: ".length)}`);
  }
  const lines = [...rows]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, row]) => `| ${name} | ${damages.map((damage) => short(row.get(damage))).join(" | ")} |`);
  return [
    `## ${titles[place]}`,
    "",
    `${verdicts.length} cases, \`--seed ${seed} --count ${count}\`: ${verdicts.filter(([, verdict]) => !verdict.startsWith("OPEN")).length} named, in part or harmless.`,
    "",
    `| file | ${damages.join(" | ")} |`,
    `|---|${damages.map(() => "---|").join("")}`,
    ...lines,
    ...(gaps.size > 0 ? ["", "Open:", "", ...[...gaps].sort()] : []),
    "",
  ].join("\n");
}
