/** Programs of Python that campaigns use, each in a virtual environment of its own that a first run makes. */
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { runStep } from "../../../scripts/subprocess/subprocess.ts";

const say = (line: string) => void process.stderr.write(`campaign: ${line}\n`);
const installTimeoutMs = 10 * 60_000;

/** Where they stay between runs: outside of the tree, as every user's caches do. */
const home = () => join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "lakehouse-campaigns");

/** The path of a program of the package, installed first where it is missing. Throws, with words, where Python is. */
export async function pythonTool(pack: string, version: string, program: string): Promise<string> {
  const environment = join(home(), `${pack}-${version}`);
  const path = join(environment, "bin", program);
  if (existsSync(path)) return path;
  say(`${pack} ${version} is not here: it is installed into ${environment}`);
  for (const command of [
    ["python3", "-m", "venv", environment],
    [join(environment, "bin", "pip"), "install", "--quiet", `${pack}==${version}`],
  ] as const) {
    const step = {
      name: `installing ${pack}`,
      command,
      timeoutMs: installTimeoutMs,
      shown: true,
      otherwise: ["fix: install python3 with venv and pip, and let PyPI be reached; then run it again"],
    };
    if (!(await runStep(step, say))) throw new Error(`${pack} could not be installed (see above)`);
  }
  return path;
}
