/** Programs of Python, each with its packages in a virtual environment of its own that a first run makes. */
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { run, runStep } from "../subprocess/subprocess.ts";

export interface Python {
  /** As pip takes them: `name==version`. */
  packages: readonly string[];
  /** Its path. */
  script: string;
  env?: Record<string, string>;
}

export const say = (line: string) => void process.stderr.write(`python: ${line}\n`);
const installTimeoutMs = 20 * 60_000;
const runTimeoutMs = 30 * 60_000;

/** Where they stay between runs: outside of the tree, as every user's caches do. */
export const home = () => join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "lakehouse-engines");

/** Whether Python can make environments here. */
export async function hasPython(): Promise<boolean> {
  const { code } = await run(["python3", "-c", "import venv, ensurepip"], { timeoutMs: 30_000 });
  return code === 0;
}

/** The environment's interpreter, installed first where it is missing. Throws, with words, where Python is. */
export async function interpreter(name: string, packages: readonly string[]): Promise<string> {
  const mark = Bun.SHA256.hash(packages.join("\n"), "hex").slice(0, 8);
  const environment = join(home(), `${name}-${mark}`);
  const whole = join(environment, "installed");
  const path = join(environment, "bin", "python");
  if (existsSync(whole)) return path;
  say(`${packages.join(", ")}: installed into ${environment}`);
  for (const command of [
    ["python3", "-m", "venv", environment],
    [path, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", ...packages],
  ] as const) {
    const step = {
      name: `installing ${name}`,
      command: command as readonly [string, ...string[]],
      timeoutMs: installTimeoutMs,
      otherwise: ["fix: install python3 with venv and pip, and let PyPI be reached; then run it again"],
    };
    if (!(await runStep(step, say))) throw new Error(`${name} could not be installed (see above)`);
  }
  await Bun.write(whole, packages.join("\n"));
  return path;
}

/** Its first lines, its last, where Python says what happened, and of those between the ones where Java does. */
function endsOf(text: string): string {
  if (text.length <= 3000) return text;
  const causes = text.slice(1500, -1500).match(/^.*(?:Caused by: |py4j\.\S+Error: ).*$/gm) ?? [];
  return [text.slice(0, 1500), "…", ...causes.slice(0, 10), "…", text.slice(-1500)].join("\n");
}

/**
 * What the program prints: lines of JSON, each a few findings by their names; and its words where it fails, after those
 * that it printed before.
 */
export async function told(
  name: string,
  { packages, script, env = {} }: Python,
  words: readonly string[],
): Promise<{ found: Record<string, unknown>; failure?: string }> {
  // No compiled modules beside the source.
  const command = [await interpreter(name, packages), "-B", script, ...words] as const;
  const inherited = process.env as Record<string, string>;
  const { code, out, err } = await run(command, { timeoutMs: runTimeoutMs, env: { ...inherited, ...env } });
  const lines = out.split("\n").filter((line) => line.startsWith("{"));
  const found = Object.assign({}, ...lines.map((line) => JSON.parse(line) as object));
  return code === 0 ? { found } : { found, failure: `${script} ended with ${code}: ${endsOf(err)}` };
}

/** The same of a program that must come to its end: throws with its words where it fails. */
export async function findings(...given: Parameters<typeof told>): Promise<Record<string, unknown>> {
  const { found, failure } = await told(...given);
  if (failure !== undefined) throw new Error(failure);
  return found;
}
