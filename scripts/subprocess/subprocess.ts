/** Child processes of commands: a program, a step of the set-up, the product. They import Bun built-ins only: the packages may be missing. */
import { join } from "node:path";
import { ended, messageOf, type Ran, run } from "./run.ts";

export { messageOf, run } from "./run.ts";

// The product as a child process of a command, ended with it.

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

  /** `lateMs`: how long it was waited for, where it was ended for that. */
  constructor(log: string, lateMs?: number) {
    const late = lateMs === undefined ? [] : [`it did not start within ${lateMs / 1000} s`];
    super([...late, lastComplaint(log)].filter((words) => words !== "").join(": "));
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
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    void child.stdin.end();
  }, timeoutMs);
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
  throw new NotStarted(log, isLate ? timeoutMs : undefined);
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

// A step of a set-up, as a user sees it.

export type Say = (line: string) => void;

export interface Step {
  /** What it does, as in "building the FAISS binding". */
  name: string;
  command: readonly [string, ...string[]];
  timeoutMs: number;
  cwd?: string;
  /** What the user does, or what is tried next, when it fails. */
  otherwise: readonly string[];
  /** Its output goes to the terminal as it comes, instead of being kept for a failure. */
  shown?: boolean;
  /** How far it is, for the line that says that a long step goes on. */
  progress?: () => string;
}

/** A step that takes longer says that it goes on: first after this, then ever more seldom. */
const signOfLifeMs = 5000;
const signOfLifeMsMax = 60_000;
/** The end of a compiler's or package manager's output is where it says what went wrong. */
const linesMax = 8;

/**
 * Runs a step and says how it went: a failure is on the terminal with the step, its command, the last lines of what it
 * printed and what to do, whatever the caller does with the answer.
 */
export async function runStep(step: Step, say: Say): Promise<boolean> {
  const startedAt = performance.now();
  const seconds = (): string => `${((performance.now() - startedAt) / 1000).toFixed(0)} s`;
  let alive: Timer | undefined;
  const showLife = (ms: number): void => {
    alive = setTimeout(() => {
      say(`… still ${step.name}: ${[seconds(), step.progress?.()].filter(Boolean).join(", ")}`);
      showLife(Math.min(2 * ms, signOfLifeMsMax));
    }, ms);
  };
  showLife(signOfLifeMs);
  const ran = await (step.shown ? runShown(step) : run(step.command, step));
  clearTimeout(alive);
  if (ran.code === 0) return true;
  const how = ran.code === -1 ? "" : `exit code ${ran.code}, `;
  say(`FAILED: ${step.name} (${how}after ${seconds()})`);
  say(`  $ ${step.command.join(" ")}`);
  const printed = [ran.out, ran.err].filter((text) => text !== "").join("\n");
  for (const line of printed.split("\n").slice(-linesMax)) if (line !== "") say(`  | ${line}`);
  for (const line of step.otherwise) say(`  ${line}`);
  return false;
}

async function runShown({ command, cwd, timeoutMs }: Step): Promise<Ran> {
  try {
    // Stdout belongs to the command that is set up for.
    const child = Bun.spawn([...command], { ...(cwd !== undefined && { cwd }), stdio: ["ignore", 2, 2] });
    const { late, code } = await ended(child, timeoutMs, []);
    return { code: late ? -1 : code, out: "", err: late ? `ended after ${Math.round(timeoutMs)} ms` : "" };
  } catch (cause) {
    return { code: -1, out: "", err: messageOf(cause) };
  }
}
