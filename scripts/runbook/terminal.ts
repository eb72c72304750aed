/** One terminal of a machine, in which the blocks of a page are run as its reader would paste them. */
import type { Machine } from "../machine/machine.ts";
import { type Block, printed, stepsOf } from "./blocks.ts";

/** The slowest are those that install packages. */
const blockTimeoutMs = 10 * 60_000;

/**
 * A terminal is one shell that goes on from block to block: where it is and what it exported are kept, functions and
 * options are not.
 */
export const inTerminal = (text: string): string => `
set -euo pipefail
terminal=/run/terminal
[ -f $terminal ] && . $terminal
trap '{ export -p; declare -f; printf "cd %q\\n" "$PWD"; } > /run/terminal' EXIT
${text}`;

/** Runs one block; undefined when it did what the page says, else what was wrong. */
export async function wrongWith(block: Block, machine: Machine): Promise<string | undefined> {
  const options = { online: block.marks.has("online"), timeoutMs: blockTimeoutMs };
  if (block.language === "console") {
    for (const { command, expected } of stepsOf(block.text)) {
      const { code, output } = await machine.run(inTerminal(`{ ${command}\n} 2>&1`), options);
      if (!printed(output, expected))
        return `$ ${command}\nexpected:\n${expected}\nprinted (exit ${code ?? "none: it took too long"}):\n${output.trim()}`;
    }
    return undefined;
  }
  const script = block.marks.has("background")
    ? `setsid bash -euc ${quoted(block.text)} > /tmp/background.log 2>&1 < /dev/null &`
    : block.text;
  const { code, output } = await machine.run(inTerminal(script), options);
  const shown = `${block.text.trim()}\nexit ${code ?? "none: it took too long"}, printed:\n${output.trim()}`;
  if (block.marks.has("fails")) return code === undefined || code === 0 ? `should fail: ${shown}` : undefined;
  return code === 0 ? undefined : shown;
}

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
