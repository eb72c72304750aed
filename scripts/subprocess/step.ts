/** A step of a set-up, as a user sees it. */
import { ended, messageOf, type Ran, run } from "./run.ts";

export type Say = (line: string) => void;

export interface Step {
  /** What it does, as in "building the FAISS binding". */
  name: string;
  command: readonly [string, ...string[]];
  timeoutMs: number;
  cwd?: string;
  /** What the user does, or what is tried next, when it fails. */
  otherwise: readonly string[];
  /** Its output goes to the terminal as it comes, instead of being kept for a failure. */
  shown?: boolean;
  /** How far it is, for the line that says that a long step goes on. */
  progress?: () => string;
}

/** A step that takes longer says that it goes on: first after this, then ever more seldom. */
const signOfLifeMs = 5000;
const signOfLifeMsMax = 60_000;
/** The end of a compiler's or package manager's output is where it says what went wrong. */
const linesMax = 8;

/**
 * Runs a step and says how it went: a failure is on the terminal with the step, its command, the last lines of what it
 * printed and what to do, whatever the caller does with the answer.
 */
export async function runStep(step: Step, say: Say): Promise<boolean> {
  const startedAt = performance.now();
  const seconds = (): string => `${((performance.now() - startedAt) / 1000).toFixed(0)} s`;
  let alive: Timer | undefined;
  const showLife = (ms: number): void => {
    alive = setTimeout(() => {
      say(`… still ${step.name}: ${[seconds(), step.progress?.()].filter(Boolean).join(", ")}`);
      showLife(Math.min(2 * ms, signOfLifeMsMax));
    }, ms);
  };
  showLife(signOfLifeMs);
  const ran = await (step.shown ? runShown(step) : run(step.command, step));
  clearTimeout(alive);
  if (ran.code === 0) return true;
  const how = ran.code === -1 ? "" : `exit code ${ran.code}, `;
  say(`FAILED: ${step.name} (${how}after ${seconds()})`);
  say(`  $ ${step.command.join(" ")}`);
  const printed = [ran.out, ran.err].filter((text) => text !== "").join("\n");
  for (const line of printed.split("\n").slice(-linesMax)) if (line !== "") say(`  | ${line}`);
  for (const line of step.otherwise) say(`  ${line}`);
  return false;
}

async function runShown({ command, cwd, timeoutMs }: Step): Promise<Ran> {
  try {
    // Stdout belongs to the command that is set up for.
    const child = Bun.spawn([...command], { ...(cwd !== undefined && { cwd }), stdio: ["ignore", 2, 2] });
    const { late, code } = await ended(child, timeoutMs, []);
    return { code: late ? -1 : code, out: "", err: late ? `ended after ${Math.round(timeoutMs)} ms` : "" };
  } catch (cause) {
    return { code: -1, out: "", err: messageOf(cause) };
  }
}
