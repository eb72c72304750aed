/** The product as a child process of a command, ended with it. */
import { join } from "node:path";

const main = join(import.meta.dir, "../../runtime/main.ts");

interface ChildOptions {
  /** As for `bun run supervisor`. */
  words: readonly string[];
  /** The service whose address is waited for. */
  service: string;
  env?: Readonly<Record<string, string | undefined>>;
  timeoutMs: number;
}

export interface Child {
  /** Where the service listens, as http://127.0.0.1:40123. */
  address: string;
  /** Drains and stops it. */
  end: () => Promise<void>;
}

/** It did not start, or not in time. */
export class NotStarted extends Error {
  /** The end of what it logged. */
  readonly log: string;

  constructor(log: string) {
    super(lastComplaint(log));
    this.log = log;
  }
}

/** Ends its command when its input ends, which the kernel does however the process that holds it ends. */
const untilInputEnds =
  'exec 3<&0; "$@" 3<&- & child=$!; { cat <&3; kill "$child"; } > /dev/null 2>&1 & wait "$child"';

const logMax = 16_000;

/** Starts the product and waits until it says that it runs. Throws NotStarted. */
export async function startChild({ words, service, env, timeoutMs }: ChildOptions): Promise<Child> {
  const child = Bun.spawn(["sh", "-c", untilInputEnds, "sh", process.execPath, main, ...words], {
    env: { ...process.env, ...env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  const end = async (): Promise<void> => {
    await child.stdin.end();
    await child.exited;
  };
  const timer = setTimeout(() => void child.stdin.end(), timeoutMs);
  let log = "";
  const logged = read(child.stderr, (text) => {
    log = (log + text).slice(-logMax);
  });
  const { promise: greeted, resolve: greet } = Promise.withResolvers<string | undefined>();
  let printed = "";
  // To the end, so that no pipe fills.
  const reading = read(child.stdout, (text) => {
    printed = (printed + text).slice(-logMax);
    if (printed.includes("Lakehouse is running"))
      greet(new RegExp(`^ {2}${service} +(http:\\S+)`, "m").exec(printed)?.[1]);
  });
  void reading.finally(() => greet(undefined));
  const address = await greeted;
  clearTimeout(timer);
  if (address !== undefined) return { address, end };
  await end();
  await logged;
  throw new NotStarted(log);
}

async function read(stream: ReadableStream<Uint8Array>, take: (text: string) => void): Promise<void> {
  const decoder = new TextDecoder();
  for await (const chunk of stream) take(decoder.decode(chunk, { stream: true }));
}

/** The last that it logged as wrong, or its last words. */
function lastComplaint(log: string): string {
  const lines = log.split("\n").filter((line) => line !== "" && !/"level":"(info|debug)"/.test(line));
  const [, error] = /"error":"((?:[^"\\]|\\.)*)"/.exec(lines.at(-1) ?? "") ?? [];
  return error === undefined ? lines.slice(-5).join("\n") : String(JSON.parse(`"${error}"`));
}
