/** Campaigns: cycles with a seed and a count, until one of them shows something wrong; one JSON line tells what came of it. */
import { parseArgs } from "node:util";
import { createProgress } from "../../../scripts/command-line/progress.ts";
import type { Product } from "../product/product.ts";
import { seeded } from "./seeded.ts";

export interface CampaignRules {
  /** Cycles at most. */
  count: number;
  seed: number;
  /** Numbers from 0 to below 1: the same seed gives the same ones. */
  random: () => number;
  /** What was given for the options of the campaign's own; undefined where nothing was. */
  given: (option: string) => string | undefined;
}

/** Reads `--count`, `--seed` and other options from the command line, those of `flags` without a value. Throws for any other word. */
export function campaignRules(
  count: number,
  own: readonly string[] = [],
  flags: readonly string[] = [],
): CampaignRules {
  const options: Record<string, { type: "string" | "boolean" }> = {
    ...Object.fromEntries(["count", "seed", ...own].map((name) => [name, { type: "string" }])),
    ...Object.fromEntries(flags.map((name) => [name, { type: "boolean" }])),
  };
  const { values } = parseArgs({ options });
  const seed = Number(values.seed ?? 1);
  return {
    count: Number(values.count ?? count),
    seed,
    random: seeded(seed),
    given: (option) => (values[option] === undefined ? undefined : String(values[option])),
  };
}

export interface Campaign {
  name: string;
  rules: Pick<CampaignRules, "count" | "seed">;
  /** Counted and found as it goes; printed at the end with what it became. */
  outcomes: { wrong: string[] };
  /** Goes on to the last cycle, whatever is wrong before. */
  goesOn?: boolean;
  /** Gives what to say beside the bar. */
  cycle: (at: number) => Promise<string>;
  /** Ends what runs, and removes what was made. */
  end: () => Promise<unknown>;
}

/** Runs it and ends the process: with 1 when anything was wrong. */
export async function runCampaign({ name, rules, outcomes, goesOn, cycle, end }: Campaign): Promise<never> {
  const { count, seed } = rules;
  const started = performance.now();
  const bar = createProgress(name, { unit: "cycles" });
  let cycles = 0;
  while (cycles < count && (goesOn || outcomes.wrong.length === 0)) {
    // What was made for it is removed, whatever happens.
    const note = await cycle(cycles).catch((cause) => {
      outcomes.wrong.push(cause instanceof Error && cause.stack ? cause.stack : String(cause));
      return "";
    });
    cycles += 1;
    bar.step(cycles, count, note);
  }
  bar.end();
  await end();
  const elapsed_s = Math.round((performance.now() - started) / 100) / 10;
  process.stdout.write(`${JSON.stringify({ cycles, seed, elapsed_s, ...outcomes })}\n`);
  process.exit(outcomes.wrong.length === 0 ? 0 : 1);
}

export interface Doom {
  /** Counts what was acknowledged. It grows before the kill, however long that takes on a busy machine. */
  acknowledged: () => number;
  /** Then the work goes on for so long, in milliseconds. */
  moreMs: number;
}

/** Lets the work go on for a while, ends the product with SIGKILL, and waits until all of it has heard of that. */
export async function killDuring(
  product: Product,
  work: Promise<unknown>[],
  { acknowledged, moreMs }: Doom,
): Promise<void> {
  const before = acknowledged();
  let isOver = false;
  void Promise.allSettled(work).then(() => {
    isOver = true;
  });
  while (!isOver && acknowledged() < before + 2) await Bun.sleep(1);
  await Bun.sleep(moreMs);
  await product.end("SIGKILL");
  await Promise.allSettled(work);
}
