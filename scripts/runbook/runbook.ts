/**
 * `bun run runbook [--until HEADING] [--page FILE]`: runs every command of REPLICATION.md, in order, on a machine made
 * fresh for it. A block that does not do what the page says ends it with 1, the block and what was printed.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { bootMachine, connect, type Machine, noMachine } from "../machine/machine.ts";
import { type Block, blocksOf, stepsOf } from "./blocks.ts";
import { wrongWith } from "./terminal.ts";

const root = resolve(import.meta.dir, "../..");
const say = (line: string) => void process.stdout.write(`${line}\n`);

/** What may stand behind ```sh: anything else is a slip of the pen. */
const marks = new Set(["online", "fails", "background", "host-b", "container"]);

/** What is wrong with a block without running it: a mark that does not exist, or a syntax that bash cannot read. */
export function faultOf(block: Block): string | undefined {
  const strange = [...block.marks].find((mark) => !marks.has(mark));
  if (strange !== undefined) return `unknown mark '${strange}': expected some of ${[...marks].join(", ")}`;
  const text =
    block.language === "sh"
      ? block.text
      : stepsOf(block.text)
          .map((step) => step.command)
          .join("\n");
  const { exitCode, stderr } = Bun.spawnSync(["bash", "-n"], { stdin: new TextEncoder().encode(text) });
  return exitCode === 0 ? undefined : stderr.toString();
}

interface Outcome {
  ran: number;
  checked: number;
  /** The first block that did not do what the page says. */
  wrong?: { block: Block; why: string };
}

type MachineOf = (name: string) => Promise<Machine>;

/** Machines, each made fresh when it is first asked for, while the work lasts. */
export async function onMachines<T>(work: (machineOf: MachineOf) => Promise<T>): Promise<T> {
  const shared = mkdtempSync(join(tmpdir(), "lakehouse-shared-"));
  const machines = new Map<string, Machine>();
  const machineOf = async (name: string): Promise<Machine> => {
    const running = machines.get(name);
    if (running !== undefined) return running;
    const machine = await bootMachine(name, shared);
    for (const other of machines.values()) connect(other, machine);
    machines.set(name, machine);
    return machine;
  };
  try {
    return await work(machineOf);
  } finally {
    await Promise.all([...machines.values()].map((machine) => machine.end()));
    rmSync(shared, { recursive: true, force: true });
  }
}

/** Runs the blocks in order, and stops at the first that is wrong. */
export async function runBlocks(
  blocks: readonly Block[],
  machineOf: MachineOf,
  note: (block: Block, ms: number) => void = () => {},
): Promise<Outcome> {
  const outcome: Outcome = { ran: 0, checked: 0 };
  for (const block of blocks) {
    if (block.marks.has("container")) {
      outcome.checked++;
      continue;
    }
    const machine = await machineOf(block.marks.has("host-b") ? "host-b" : "host-a");
    const startedAt = performance.now();
    const why = await wrongWith(block, machine);
    note(block, performance.now() - startedAt);
    if (why !== undefined) return { ...outcome, wrong: { block, why } };
    outcome.ran++;
  }
  return outcome;
}

async function main(): Promise<number> {
  const options = { until: { type: "string" }, page: { type: "string", default: "REPLICATION.md" } } as const;
  const { values } = parseArgs({ options });
  const all = blocksOf(await Bun.file(resolve(root, values.page)).text());
  const end =
    values.until === undefined ? all.length : all.findIndex(({ section }) => section === values.until);
  if (end < 0) throw new Error(`--until: there is no heading '${values.until}'`);
  const blocks = all.slice(0, end);
  for (const block of blocks) {
    const why = faultOf(block);
    if (why !== undefined)
      return report(values.page, { ran: 0, checked: 0, wrong: { block, why } }, blocks.length);
  }
  const missing = noMachine();
  if (missing !== undefined) {
    say(`runbook: nothing was run, since no machine can be made here: ${missing}`);
    say(`runbook: ${blocks.length} blocks checked for their syntax alone`);
    return 0;
  }
  const note = ({ section, line }: Block, ms: number) =>
    say(`${values.page}:${line}  ${(ms / 1000).toFixed(1).padStart(5)} s  ${section}`);
  const outcome = await onMachines((machineOf) => runBlocks(blocks, machineOf, note));
  return report(values.page, outcome, blocks.length);
}

function report(page: string, { ran, checked, wrong }: Outcome, total: number): number {
  if (wrong === undefined) say(`runbook: ${ran} of ${total} blocks ran, and did what the page says`);
  else {
    say(`\n${page}:${wrong.block.line}: ${wrong.block.section}\n${wrong.why}`);
    say(`\nrunbook: ${ran} of ${total} blocks ran, then one went wrong`);
  }
  if (checked > 0)
    say(
      `runbook: ${checked} were checked for their syntax alone, since they need a container engine and its base images`,
    );
  return wrong === undefined ? 0 : 1;
}

if (import.meta.main) {
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));
  try {
    process.exit(await main());
  } catch (cause) {
    process.stderr.write(`${cause instanceof Error ? cause.message : cause}\n`);
    process.exit(2);
  }
}
