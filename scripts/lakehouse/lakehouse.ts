/**
 * `bun run lakehouse COMMAND …`: the product from a terminal, over HTTP alone. Ends with 0 when all is done, 1 when the
 * product refused it or some of it, 2 for wrong words and when nothing answers, 130 when interrupted.
 */
import { LakehouseError } from "../../api/client/lakehouse/lakehouse.ts";
import { UsageError } from "../command-line/command-line.ts";
import { ask } from "./ask.ts";
import { datasets } from "./datasets.ts";
import { load } from "./load.ts";
import { search } from "./search.ts";
import { sql } from "./sql.ts";
import { type Command, openTerminal } from "./terminal.ts";

const commands: Record<string, Command> = { load, sql, search, ask, datasets };

const usage = `usage: bun run lakehouse COMMAND …
${Object.values(commands)
  .map(({ usage: one }) => one)
  .join("\n")}
  --json        JSON instead of tables; so it is wherever the output is no terminal
  --gateway     of another Lakehouse than the configured one, as http://127.0.0.1:3110
  --token-file  a file with its token; else that of the configuration, or AUTH_TOKEN
  --config      the configuration, lakehouse.toml unless given; --SECTION.KEY=VALUE sets one key`;

async function main([name = "", ...words]: string[]): Promise<number> {
  const stopping = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stopping.abort());
  try {
    const isHelp = name === "--help" || name === "help";
    if (isHelp || words.includes("--help"))
      return print(commands[name] ? `usage: bun run lakehouse …\n${commands[name].usage}` : usage);
    const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
    if (!command) throw new UsageError(name === "" ? usage : `there is no command '${name}'\n${usage}`);
    return await command.run(openTerminal(command, words, stopping.signal));
  } catch (cause) {
    if (stopping.signal.aborted) return 130;
    process.stderr.write(`lakehouse: ${wordsOf(cause as Error)}\n`);
    return cause instanceof LakehouseError && cause.status !== undefined ? 1 : 2;
  }
}

function wordsOf(cause: Error): string {
  if (!(cause instanceof LakehouseError)) return cause.message;
  if (cause.type === "unavailable" && cause.status === undefined)
    return `${cause.message} Start it with: bun run supervisor`;
  if (cause.type === "unauthorized")
    return "the product takes another token, or wants one: give it by AUTH_TOKEN, or --token-file FILE (unauthorized)";
  const facts = [cause.type, ...(cause.requestId === undefined ? [] : [`request ${cause.requestId}`])];
  return `${cause.message} (${facts.join(", ")})`;
}

const print = (text: string): number => {
  process.stdout.write(`${text}\n`);
  return 0;
};

if (import.meta.main) {
  // A reader that has enough, as head has, is no failure.
  process.stdout.on("error", (cause: { code?: string }) => process.exit(cause.code === "EPIPE" ? 0 : 2));
  process.exitCode = await main(process.argv.slice(2));
}
