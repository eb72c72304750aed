/**
 * Every kind of stored file × every kind of damage: `bun tests/campaigns/faults/corruption.ts [--count 1] [--seed 1]
 * [--only KIND,KIND] [--damage flip] [--s3 rgw]`. A product is filled and stopped; copies of it are damaged and started, and
 * must name the damage or answer everything as before. Prints one JSON line and, after a run over all damages, writes what
 * it found of these kinds into docs/integrity.md; exits 1 when there is a gap or a file of a kind that nobody knows.
 */
import { createProgress } from "../../../scripts/command-line/progress.ts";
import { campaignRules } from "../../support/campaigns/campaign.ts";
import {
  batchesOf,
  type Case,
  caseOf,
  choosePaths,
  damages,
  tryBatch,
  tryWhole,
  type Verdict,
} from "../../support/corruption/corruption.ts";
import { makeScene } from "../../support/corruption/scene.ts";
import { writeTable } from "../../support/corruption/table.ts";
import { type S3Name, testS3 } from "../../support/s3/server.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

const { count, seed, random, given } = campaignRules(1, ["only", "damage", "s3"]);
const s3 = given("s3");
const home = temporaryDirectory("corruption");
const { now, older, ...scene } = await makeScene(
  home.path,
  s3 === undefined ? undefined : await testS3(s3 as S3Name),
);
const gapOf = ([{ kind, path, damage }, verdict]: [Case, Verdict]): string =>
  `${kind.name} (${path}) ${damage}: ${verdict}`;
const wrong = await tryWhole(scene);
const verdicts: [Case, Verdict][] = [];
const bar = createProgress("corruption", { unit: "starts" });
for (let round = 0; round < count; round++) {
  const { chosen, unknown } = choosePaths(now, random, given("only"));
  // What else is on the disk of this machine is the same whatever the bucket is.
  const isOfS3 = /^(?:buckets\/primary|queryd\/cache|storaged\/(?:leases|inventory))\//;
  if (s3 !== undefined) for (const [kind, path] of chosen) if (!isOfS3.test(path)) chosen.delete(kind);
  wrong.push(...unknown.map((path) => `${path}: of no kind that is known`));
  for (const damage of damages) {
    if (given("damage") !== undefined && given("damage") !== damage) continue;
    const made = [...chosen].map(([kind, path]) => caseOf({ kind, path, damage }, { now, older, random }));
    const batches = batchesOf(
      made.filter((each) => each !== undefined),
      scene.all,
    );
    for (const [at, batch] of batches.entries()) {
      bar.step(at, batches.length, `${damage}: ${batch.map(({ kind }) => kind.name).join(", ")}`);
      for (const entry of await tryBatch(scene, batch)) {
        verdicts.push(entry);
        if (entry[1].startsWith("OPEN")) process.stderr.write(`${gapOf(entry)}\n`);
      }
    }
  }
}
bar.end();
wrong.push(...verdicts.filter(([, verdict]) => verdict.startsWith("OPEN")).map(gapOf));
if (given("damage") === undefined)
  await writeTable({ place: s3 === undefined ? "local" : "s3", verdicts, seed, count });
home.remove();
const tried = verdicts.length;
process.stdout.write(`${JSON.stringify({ tried, seed, wrong })}\n`);
process.exit(wrong.length === 0 ? 0 : 1);
