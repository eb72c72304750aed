/** The mark of a data directory whose restore has not ended: half of a backup must not be taken for all of it. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { errorCode } from "../durable/durable.ts";
import { ConfigError } from "../errors/errors.ts";

/** In the data directory, from before the first file of a restore until after the last. */
export const restoreMark = "restore.json";
/** Set by the restore itself for the service that it starts. */
export const restoringVariable = "LAKEHOUSE_RESTORING";

/** Throws ConfigError, with what to do, when the data directory holds the mark. */
export function refuseUnfinishedRestore(dataDir: string, env: Record<string, string | undefined>): void {
  if (env[restoringVariable] === "1") return;
  try {
    readFileSync(join(dataDir, restoreMark));
  } catch (cause) {
    if (errorCode(cause) === "ENOENT" || errorCode(cause) === "ENOTDIR") return;
    throw cause;
  }
  throw new ConfigError(
    `${dataDir} holds a restore that has not ended: run the same bun run restore again, or remove the directory`,
  );
}
