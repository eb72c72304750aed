/** A Lakehouse on the configured data directory, started for a check on ports that nobody else uses. */
import { join } from "node:path";
import { defaults } from "../../runtime/config.ts";
import { listening } from "../doctor/ports.ts";
import { Unreachable } from "./door.ts";
import type { Words } from "./words.ts";

const main = join(import.meta.dir, "../../runtime/main.ts");

export interface OwnProduct {
  gateway: string;
  end: () => Promise<void>;
}

/** Starts it and waits until it serves. Throws Unreachable with the reason when it does not start. */
export async function startOwn(
  { file, flags }: Pick<Words, "file" | "flags">,
  { dataDir, configured }: { dataDir: string; configured: string },
): Promise<OwnProduct> {
  const words = [
    ...(file === undefined ? [] : ["--config", file]),
    ...flags.map((flag) => `--${flag}`),
    ...listening(defaults()).map((name) => `--${name}.bind=127.0.0.1:0`),
  ];
  const child = Bun.spawn([process.execPath, main, ...words], { stdio: ["ignore", "pipe", "pipe"] });
  // Whoever ends the check ends what was started for it.
  for (const [signal, code] of [
    ["SIGTERM", 143],
    ["SIGINT", 130],
    ["SIGHUP", 129],
  ] as const)
    process.once(signal, () => {
      child.kill("SIGTERM");
      void child.exited.then(() => process.exit(code));
    });
  const end = async (): Promise<void> => {
    child.kill("SIGTERM");
    await child.exited;
  };
  const log = textOf(child.stderr);
  const found = await greeting(child.stdout);
  if (found !== undefined) return { gateway: found, end };
  await child.exited;
  throw new Unreachable(notStarted(await log, dataDir, configured));
}

/** The gateway's address as the start prints it; undefined when it ends before. Reads on, so that the pipe never fills. */
async function greeting(stream: ReadableStream<Uint8Array>): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const follow = async (): Promise<void> => {
    const decoder = new TextDecoder();
    let text = "";
    for await (const chunk of stream) {
      text += decoder.decode(chunk, { stream: true });
      const [, gateway] = /^ {2}gateway +(http:\S+) /m.exec(text) ?? [];
      if (gateway !== undefined && text.includes("Lakehouse is running")) resolve(gateway);
    }
    resolve(undefined);
  };
  follow().catch(() => resolve(undefined));
  return promise;
}

/** The last of what is logged. */
async function textOf(stream: ReadableStream<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of stream)
    text = (text + decoder.decode(chunk, { stream: true })).slice(-keptCharacters);
  return text;
}

const keptCharacters = 16_000;

function notStarted(log: string, dataDir: string, configured: string): string {
  if (log.includes("is in use by another process"))
    return (
      `a Lakehouse runs on ${dataDir}, but none answers at ${configured}. Name its gateway with --gateway URL ` +
      "(bun run status shows it), or stop it"
    );
  const problems = log
    .split("\n")
    .filter((line) => !/"level":"(info|debug)"/.test(line))
    .slice(-5)
    .join("\n");
  return `none answers at ${configured}, and none could be started on ${dataDir} for the check:\n${problems}`;
}
