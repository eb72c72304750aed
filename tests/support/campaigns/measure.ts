/** Measuring for benchmarks: alternating rounds, medians, ratios. */
import { createProgress } from "../../../scripts/command-line/progress.ts";

/** The middle of the values. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/** The value that the given share of values does not exceed. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** Milliseconds one run takes. */
export async function timed(work: () => unknown): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

/**
 * Runs the candidates in turn, A B, B A, A B, …, so that neither a machine whose speed drifts nor what the one before
 * left behind favours any; gives the median of each. The first round is not counted.
 */
export async function inTurn<K extends string>(
  rounds: number,
  candidates: Record<K, () => Promise<number>>,
): Promise<Record<K, number>> {
  const names = Object.keys(candidates) as K[];
  const results = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<K, number[]>;
  const bar = createProgress("bench", { unit: "runs" });
  const total = (rounds + 1) * names.length;
  let done = 0;
  for (let round = 0; round <= rounds; round++) {
    for (const name of round % 2 === 0 ? names : names.toReversed()) {
      const value = await candidates[name]();
      if (round > 0) results[name].push(value);
      done += 1;
      bar.step(done, total, name);
    }
  }
  bar.end();
  return Object.fromEntries(names.map((name) => [name, median(results[name])])) as Record<K, number>;
}

/** Calls per second with `concurrency` of them open at once. */
export async function throughput(
  calls: number,
  concurrency: number,
  call: () => Promise<unknown>,
): Promise<number> {
  let left = calls;
  const worker = async () => {
    while (left-- > 0) await call();
  };
  const ms = await timed(() => Promise.all(Array.from({ length: concurrency }, worker)));
  return calls / (ms / 1000);
}

/** Latencies of calls one after another, in milliseconds. */
export async function latencies(calls: number, call: () => Promise<unknown>): Promise<number[]> {
  const all: number[] = [];
  for (let at = 0; at < calls; at++) all.push(await timed(call));
  return all;
}

/** Prints one result line of a benchmark. */
export function report(name: string, figures: Record<string, string | number>): void {
  const text = Object.entries(figures).map(
    ([key, value]) => `${key} ${typeof value === "number" ? round(value) : value}`,
  );
  process.stderr.write(`bench ${name}: ${text.join(", ")}\n`);
}

const round = (value: number): string => (Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3));
