/** What every command is given: its words, the client of the product, and where it prints. */
import { readFileSync } from "node:fs";
import { styleText } from "node:util";
import { type Client, createClient } from "../../api/client/lakehouse/lakehouse.ts";
import { parseBind, urlOf } from "../../runtime/addresses/addresses.ts";
import { tokensOf } from "../../runtime/auth/auth.ts";
import {
  type Arguments,
  configOf,
  gatewayOf,
  parseArguments,
  UsageError,
} from "../command-line/command-line.ts";

export interface Command {
  usage: string;
  options?: readonly string[];
  switches?: readonly string[];
  run: (terminal: Terminal) => Promise<number>;
}

export interface Terminal {
  words: Arguments;
  client: Client;
  /** Ended by Ctrl-C. */
  signal: AbortSignal;
  /** Tables and colours, for people; else JSON. */
  isForPeople: boolean;
  /** Writes to the output, and waits where its reader is slower. */
  write: (text: string | Uint8Array) => Promise<void>;
  /** Remarks for people, beside the output. */
  remark: (text: string) => void;
  dim: (text: string) => string;
  bold: (text: string) => string;
}

export function openTerminal(command: Command, words: readonly string[], signal: AbortSignal): Terminal {
  const read = parseArguments(words, {
    options: ["gateway", "token-file", ...(command.options ?? [])],
    switches: ["json", ...(command.switches ?? [])],
    usage: command.usage,
  });
  const config = configOf(read);
  const { bind, url } = config.gateway;
  const configured = url === "" ? urlOf(bind, parseBind(bind).port) : url;
  const file = read.options["token-file"];
  const token = file === undefined ? (tokensOf(config.auth)[0] ?? "") : tokenIn(file);
  const isForPeople = process.stdout.isTTY === true && !read.switches.has("json");
  const painted = (style: "dim" | "bold") => (text: string) =>
    isForPeople && !process.env.NO_COLOR ? styleText(style, text, { validateStream: false }) : text;
  return {
    ...{ words: read, signal, isForPeople },
    client: createClient({ url: gatewayOf(read) ?? configured, token }),
    write: async (text) => {
      if (!process.stdout.write(text)) await new Promise((resolve) => process.stdout.once("drain", resolve));
    },
    remark: (text) => void process.stderr.write(`${text}\n`),
    ...{ dim: painted("dim"), bold: painted("bold") },
  };
}

function tokenIn(path: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch (cause) {
    throw new UsageError(`--token-file: '${path}' cannot be read (${(cause as { code?: string }).code})`);
  }
}

/** The one plain word that a command takes. Throws UsageError. */
export function onlyWord({ words: { plain } }: Terminal, what: string, usage: string): string {
  const [word, ...more] = plain;
  if (word === undefined || more.length > 0) throw new UsageError(`expected ${what}\n${usage}`);
  return word;
}

/** A whole number that an option holds, or undefined without the option. Throws UsageError. */
export function countIn({ words: { options } }: Terminal, name: string): number | undefined {
  const text = options[name];
  if (text === undefined) return undefined;
  if (!/^\d{1,15}$/.test(text)) throw new UsageError(`--${name}: expected a whole number, got '${text}'`);
  return Number(text);
}

/** A value as JSON, on a line of its own. */
export const writeJson = ({ write }: Terminal, value: unknown): Promise<void> =>
  write(`${JSON.stringify(value, null, 2)}\n`);
