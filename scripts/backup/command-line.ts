/** What backup and restore share at the command line. */

import { type ConfigWords, UsageError } from "../words.ts";
import { BackupError } from "./repository.ts";

export interface Words extends ConfigWords {
  /** The one word that is no option. */
  directory: string;
  options: Record<string, string>;
  switches: Set<string>;
}

/** Takes the words apart. `--section.key=value` and `--data_dir=…` are settings. */
export function readWords(
  words: readonly string[],
  { valued, plain, usage }: { valued: readonly string[]; plain: readonly string[]; usage: string },
): Words {
  const read: Words = { directory: "", options: {}, switches: new Set(), flags: [], file: undefined };
  const names = ["config", ...valued];
  const left = words.flatMap((word) => {
    const [, name = "", value = ""] = /^--(\w+)=(.*)$/s.exec(word) ?? [];
    return names.includes(name) ? [`--${name}`, value] : [word];
  });
  for (let at = 0; at < left.length; at++) {
    const word = left[at] ?? "";
    const name = word.slice(2);
    if (names.includes(name) && word.startsWith("--")) {
      const value = left[++at];
      if (value === undefined || value === "") throw new UsageError(`${word} needs a value\n${usage}`);
      read.options[name] = value;
    } else if (plain.includes(name) && word.startsWith("--")) read.switches.add(name);
    else if (/^--[\w.]+=/.test(word)) read.flags.push(name);
    else if (word.startsWith("-")) throw new UsageError(`unexpected option '${word}'\n${usage}`);
    else if (read.directory !== "")
      throw new UsageError(`one directory is expected, got '${word}' as well\n${usage}`);
    else read.directory = word;
  }
  if (read.directory === "") throw new UsageError(`expected the directory of the backup\n${usage}`);
  return { ...read, file: read.options.config };
}

/** Runs the command: its exit code, or 2 for wrong words and 1 for what failed, told in plain words. */
export async function run(command: (words: string[]) => Promise<number>): Promise<void> {
  try {
    process.exitCode = await command(process.argv.slice(2));
  } catch (error) {
    const isTold = error instanceof BackupError || error instanceof UsageError;
    process.stderr.write(`${isTold ? error.message : `unexpected: ${(error as Error).stack ?? error}`}\n`);
    process.exitCode = error instanceof UsageError ? 2 : 1;
  }
}
