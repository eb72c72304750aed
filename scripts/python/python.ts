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
}

export const say = (line: string) => void process.stderr.write(`python: ${line}\n`);
const installTimeoutMs = 20 * 60_000;
const runTimeoutMs = 10 * 60_000;

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

/** What the program prints: lines of JSON, each a few findings by their names. Throws with its words where it fails. */
export async function findings(
  name: string,
  { packages, script }: Python,
  words: readonly string[],
): Promise<Record<string, unknown>> {
  // No compiled modules beside the source.
  const command = [await interpreter(name, packages), "-B", script, ...words] as const;
  const { code, out, err } = await run(command, { timeoutMs: runTimeoutMs });
  if (code !== 0) throw new Error(`${script} ended with ${code}: ${err.slice(-2000)}`);
  const lines = out.split("\n").filter((line) => line.startsWith("{"));
  return Object.assign({}, ...lines.map((line) => JSON.parse(line) as object));
}
