/** The command line of a table of smokes: those that are named are run, with a line a check. */
import { parseArgs } from "node:util";
import { type Mode, modes } from "./product.ts";
import { runSmoke, type Smoke } from "./stage.ts";

const print = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

interface Command {
  /** What one of them is called, and how wide their names are printed. */
  kind: string;
  nameWidth: number;
  all: Readonly<Record<string, Smoke>>;
  /** Those of them that are run when they are named. */
  heavy?: Readonly<Record<string, Smoke>>;
  /** Whether `--mode` may be given. */
  inModes?: true;
  /** The last line. */
  ending: (outcome: { passed: number; failed: number; failing: readonly string[] }) => string;
}

/** Runs what the process's arguments say, against the product at `--gateway`, or products of its own; ends the process. */
export async function runCommand(command: Command): Promise<never> {
  const code = await run(command).catch((cause) => {
    print(`${cause instanceof Error ? cause.message : cause}`);
    return 2;
  });
  process.exit(code);
}

async function run({ kind, nameWidth, all, heavy = {}, inModes, ending }: Command): Promise<number> {
  const text = { type: "string" } as const;
  const options = { gateway: text, ...(inModes && { mode: text }) };
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  const { gateway, mode: asked = "one" } = values as { gateway?: string; mode?: string };
  const unknown = positionals.find((name) => !Object.hasOwn(all, name));
  if (unknown !== undefined) {
    const names = Object.entries(all).map(([name, { about }]) => `  ${name.padEnd(nameWidth)} ${about}`);
    print(`there is no ${kind} '${unknown}'; expected some of\n${names.join("\n")}`);
    return 2;
  }
  const mode: Mode | undefined = modes.find((each) => each === asked);
  if (mode === undefined) {
    print(`--mode: expected one of ${modes.join(", ")}, got '${asked}'`);
    return 2;
  }
  const outcome = { passed: 0, failed: 0, failing: [] as string[] };
  for (const [name, smoke] of Object.entries(all)) {
    if (positionals.length > 0 ? !positionals.includes(name) : Object.hasOwn(heavy, name)) continue;
    print(`${name}: ${smoke.about}`);
    const target = { gateway: gateway?.replace(/\/$/, ""), token: process.env.AUTH_TOKEN };
    const { passed, failed } = await runSmoke(name, smoke, { ...target, mode, print });
    outcome.passed += passed;
    outcome.failed += failed;
    if (failed > 0) outcome.failing.push(name);
  }
  print(`\n${ending(outcome)}`);
  return outcome.failed === 0 ? 0 : 1;
}
