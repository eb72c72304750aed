/**
 * `bun run pristine`: what a new user does, on a machine that has git, Node and npm and nothing else. The first command
 * of README.md, its tour to the last line, and the set-up of the second command with types and lint. A fault ends it
 * with 1, what was printed, and the product's own log.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { settings } from "../../runtime/config/config.ts";
import { topology } from "../../runtime/topology.ts";
import {
  bootMachine,
  type Machine,
  noMachine,
  pristineRoot,
  registryVariables,
  writeRegistryFiles,
} from "../machine/machine.ts";
import { messageOf } from "../subprocess/subprocess.ts";
import { type Block, blocksOf } from "./blocks.ts";
import { inTerminal, wrongWith } from "./terminal.ts";

const root = resolve(import.meta.dir, "../..");
const clone = "/root/lakehouse";
/** What the packages may weigh that a start installs, in MiB, as du counts them. */
const packagesMaxMiB = 350;
const minute = 60_000;
/** One stage; and all of them: a machine that hangs must not hang whoever waits for it. */
const stageTimeoutMs = 10 * minute;
const totalTimeoutMs = 25 * minute;
const logLinesMax = 80;

const say = (line: string) => void process.stdout.write(`pristine: ${line}\n`);

/** What the README tells a new user to type. */
interface Page {
  /** `npx -y bun@1.4.5`. */
  launcher: string;
  tour: Block[];
}

export function pageOf(markdown: string): Page {
  const [, launcher] = /`(npx -y bun@[\d.]+) run supervisor`/.exec(markdown) ?? [];
  const tour = blocksOf(markdown).filter(({ section }) => section === "Five-minute tour");
  if (launcher === undefined || tour.length === 0)
    throw new Error("README.md: neither `npx -y bun@… run supervisor` nor a five-minute tour is found");
  return { launcher, tour };
}

interface Stage {
  name: string;
  /** Why it went wrong, or undefined. */
  run: () => Promise<string | undefined>;
}

/** What the first command put on the disk, in MB. */
const weigh = `du -sm node_modules ~/.npm ~/.bun 2> /dev/null > /run/weights || true
test "$(du -sm node_modules | cut -f 1)" -le ${packagesMaxMiB}
test ! -e node_modules/typescript
test ! -e node_modules/@biomejs
`;

/** The product as the first command started it. */
interface Started {
  log: () => string;
  ended: Promise<unknown>;
}

/** Runs a script in the terminal; undefined when it succeeded, else what it printed. */
async function wrongScript(machine: Machine, script: string): Promise<string | undefined> {
  const { code, output } = await machine.run(inTerminal(script), { timeoutMs: stageTimeoutMs });
  return code === 0
    ? undefined
    : `${script.trim()}\nexit ${code ?? "none: it took too long"}:\n${output.trim()}`;
}

/** Types the first command and waits until it says that the product runs. */
async function start(machine: Machine, launcher: string): Promise<{ started: Started; why?: string }> {
  const running = Promise.withResolvers<"running">();
  let log = "";
  const script = `cd ${clone}; echo $$ > /run/first-command; exec ${launcher} run supervisor`;
  const ended = machine.run(script, {
    timeoutMs: totalTimeoutMs,
    onOutput: (text) => {
      log += text;
      if (log.includes("Lakehouse is running")) running.resolve("running");
    },
  });
  const started: Started = { log: () => log, ended };
  const late = Bun.sleep(stageTimeoutMs).then(() => "late" as const);
  const how = await Promise.race([running.promise, ended.then(() => "ended" as const), late]);
  if (how !== "running") return { started, why: `it did not start (${how})` };
  return { started };
}

function stagesOf(machine: Machine, { launcher, tour }: Page) {
  let product: Started | undefined;
  const stages: Stage[] = [
    {
      name: "git clone",
      run: () =>
        wrongScript(machine, `git clone -q https://git.example.com/lakehouse.git ${clone}\ncd ${clone}\n`),
    },
    {
      name: `${launcher} run supervisor`,
      run: async () => {
        const { started, why } = await start(machine, launcher);
        product = started;
        return why ?? faultInSetup(started.log());
      },
    },
    {
      name: `the packages of a start weigh at most ${packagesMaxMiB} MiB, and none is of development`,
      run: async () => {
        const why = await wrongScript(machine, weigh);
        const { output } = await machine.run("cat /run/weights", { timeoutMs: stageTimeoutMs });
        for (const line of output.trim().split("\n")) say(`          MiB: ${line.replace("\t", "  ")}`);
        return why;
      },
    },
    ...tour.map((block) => ({ name: `README.md:${block.line}`, run: () => wrongWith(block, machine) })),
    {
      // A search answers from rows that no engine holds yet, too.
      name: "FAISS holds the rows of the tour's index",
      run: () =>
        wrongScript(
          machine,
          'until curl -fsS localhost:3110/v1/vectors/index/colours | grep \'"engine":"faiss".*"indexed":3\'; do sleep 0.2; done\n',
        ),
    },
    {
      name: "SIGTERM to the first command ends the product",
      run: async () => {
        const why = await wrongScript(
          machine,
          "kill -TERM $(cat /run/first-command)\nwhile grep -qszE 'runtime/(main[.]ts|product[.]js)' /proc/[0-9]*/cmdline; do sleep 0.2; done\n",
        );
        await product?.ended;
        const isDrained = /"msg":"stopping"/.test(product?.log() ?? "");
        return why ?? (isDrained ? undefined : "the product ended without having been told to stop");
      },
    },
    {
      name: `${launcher} run check (the set-up of run test, lint, types, rules)`,
      run: () =>
        wrongScript(
          machine,
          `${launcher} run check\ntest -e node_modules/faiss-node/build/Release/faiss-node.node\n`,
        ),
    },
  ];
  return { stages, log: () => product?.log() ?? "" };
}

/** A set-up that failed in part has said so: on a machine with nothing but a network, it may not. */
function faultInSetup(log: string): string | undefined {
  if (!/FAISS is ready/.test(log)) return "set-up did not get FAISS ready";
  return /packages are installed: \d+ MiB/.test(log) ? undefined : "set-up did not say what it installed";
}

/** The machine has this one's network, so that the product's ports must be free here. */
async function takenPorts(): Promise<number[]> {
  const names = Object.keys(topology) as (keyof typeof topology)[];
  const ports = names.map((name) => Number(settings[name].bind.default.split(":").at(-1)));
  const isFree = (port: number): Promise<boolean> => {
    const { promise, resolve: answer } = Promise.withResolvers<boolean>();
    const server = createServer();
    server.once("error", () => answer(false));
    server.listen(port, "127.0.0.1", () => server.close(() => answer(true)));
    return promise;
  };
  const free = await Promise.all(ports.map(isFree));
  return ports.filter((_, at) => !free[at]);
}

async function main(): Promise<number> {
  const page = pageOf(await Bun.file(join(root, "README.md")).text());
  const missing = noMachine("bare");
  if (missing !== undefined) {
    say(`nothing was run, since no machine can be made here: ${missing}`);
    return 0;
  }
  const taken = await takenPorts();
  if (taken.length > 0) {
    say(
      `the product's ports must be free here, and something has ${taken.join(", ")}: stop it, then run it again`,
    );
    return 1;
  }
  const lower = await pristineRoot(say);
  if (lower === undefined) return 1;
  const extra = mkdtempSync(join(tmpdir(), "lakehouse-extra-"));
  writeRegistryFiles(extra);
  try {
    const machine = await bootMachine("fresh", extra, {
      kind: "bare",
      lower,
      extra,
      env: registryVariables(),
    });
    try {
      return await walk(stagesOf(machine, page));
    } finally {
      await machine.end();
    }
  } finally {
    rmSync(extra, { recursive: true, force: true });
  }
}

async function walk({ stages, log }: ReturnType<typeof stagesOf>): Promise<number> {
  const late = Bun.sleep(totalTimeoutMs).then(
    () => `all of it took more than ${totalTimeoutMs / minute} minutes`,
  );
  for (const { name, run } of stages) {
    const startedAt = performance.now();
    const why = await Promise.race([run(), late]);
    say(`${((performance.now() - startedAt) / 1000).toFixed(1).padStart(6)} s  ${name}`);
    if (why === undefined) continue;
    const shown = log().split("\n").slice(-logLinesMax).join("\n");
    process.stdout.write(`\n${why}\n\nThe end of what the first command printed:\n${shown}\n\n`);
    say(`FAILED: ${name}`);
    return 1;
  }
  say(`${stages.length} of ${stages.length} steps of a new user did what README.md says`);
  return 0;
}

if (import.meta.main) {
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));
  try {
    process.exit(await main());
  } catch (cause) {
    say(`FAILED: ${messageOf(cause)}`);
    process.exit(1);
  }
}
