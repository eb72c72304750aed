/** A Lakehouse on the configured data directory, started for a check on ports that nobody else uses. */
import { defaults } from "../../runtime/config/config.ts";
import { type ConfigArguments, listening } from "../command-line/command-line.ts";
import { type Child, NotStarted, startChild } from "../subprocess/subprocess.ts";
import { Unreachable } from "./inspection.ts";

/** Rehydrating a large catalog and opening many indexes takes a while, on a slow disk above all. */
const startTimeoutMs = 10 * 60_000;

/** Starts it and waits until it serves. Throws Unreachable with the reason when it does not start. */
export async function startOwn(
  { file, flags }: ConfigArguments,
  { dataDir, configured }: { dataDir: string; configured: string },
): Promise<Child> {
  const words = [
    ...(file === undefined ? [] : ["--config", file]),
    ...flags.map((flag) => `--${flag}`),
    ...listening(defaults()).map((name) => `--${name}.bind=127.0.0.1:0`),
  ];
  try {
    const child = await startChild({ words, service: "gateway", timeoutMs: startTimeoutMs });
    // Asked to stop, the check waits until what it started has stopped; killed, it is followed at once.
    for (const [signal, code] of [
      ["SIGTERM", 143],
      ["SIGINT", 130],
      ["SIGHUP", 129],
    ] as const)
      process.once(signal, () => void child.end().then(() => process.exit(code)));
    return child;
  } catch (cause) {
    if (cause instanceof NotStarted) throw new Unreachable(notStarted(cause, dataDir, configured));
    throw cause;
  }
}

function notStarted({ log, message }: NotStarted, dataDir: string, configured: string): string {
  if (log.includes("is in use by another process"))
    return (
      `a Lakehouse runs on ${dataDir}, but none answers at ${configured}. Name its gateway with --gateway URL ` +
      "(bun run status shows it), or stop it"
    );
  return `none answers at ${configured}, and none could be started on ${dataDir} for the check:\n${message}`;
}
