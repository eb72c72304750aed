/** What backup and restore share at the command line. */
import { ownerOnly } from "../../runtime/durable/durable.ts";
import { type Arguments, UsageError } from "../command-line/command-line.ts";
import { BackupError } from "./repository.ts";

/** The one word that is no option. Throws UsageError. */
export function directoryOf({ plain }: Arguments, usage: string): string {
  const [directory, other] = plain;
  if (directory === undefined) throw new UsageError(`expected the directory of the backup\n${usage}`);
  if (other !== undefined)
    throw new UsageError(`one directory is expected, got '${other}' as well\n${usage}`);
  return directory;
}

/** Runs the command; its files are readable by their owner alone. Exits with its code, 2 for wrong arguments, 1 for a failure. */
export async function run(command: (words: string[]) => Promise<number>): Promise<void> {
  process.umask(ownerOnly);
  try {
    process.exitCode = await command(process.argv.slice(2));
  } catch (error) {
    const isExpected = error instanceof BackupError || error instanceof UsageError;
    process.stderr.write(
      `${isExpected ? error.message : `unexpected: ${(error as Error).stack ?? error}`}\n`,
    );
    process.exitCode = error instanceof UsageError ? 2 : 1;
  }
}
