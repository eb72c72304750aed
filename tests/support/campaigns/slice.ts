/** A campaign for a few cycles, as the suite runs it; its own command runs it for as long as it is told. */
import { expect } from "bun:test";
import { join } from "node:path";

/** Runs one of tests/campaigns/, as `kills/vectors.ts`: it must find nothing wrong. Gives the line it prints. */
// biome-ignore lint/suspicious/noExplicitAny: each campaign counts what is its own.
export async function slice(campaign: string, ...words: string[]): Promise<any> {
  return sliceWith({}, campaign, ...words);
}

/** The same with more of an environment. */
export async function sliceWith(
  env: Record<string, string>,
  campaign: string,
  ...words: string[]
  // biome-ignore lint/suspicious/noExplicitAny: as above.
): Promise<any> {
  const program = join(import.meta.dir, "../../campaigns", campaign);
  const run = Bun.spawn([process.execPath, program, ...words], {
    env: { ...process.env, ...env },
    stdout: "pipe",
    stderr: "pipe",
  });
  const [printed, logged, code] = await Promise.all([
    new Response(run.stdout).text(),
    new Response(run.stderr).text(),
    run.exited,
  ]);
  const said = code === 0 ? "" : `${printed.slice(-2000)}${logged.slice(-2000)}`;
  expect({ code, said }).toEqual({ code: 0, said: "" });
  const outcome = JSON.parse(printed);
  expect(outcome.wrong).toEqual([]);
  return outcome;
}
