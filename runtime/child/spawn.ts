/**
 * A child process that does native work for a service: what crashes, hangs or eats memory there ends the child alone.
 * A child serves one contract over a socket, as services serve theirs over channels; it is confined, where the system
 * can, and killed without asking.
 */
import { existsSync, realpathSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import {
  beginVerb,
  type Confinement,
  inFlightMax,
  restVerb,
  socketDescriptor,
} from "../child-main/child-main.ts";
import type { ClientOf, Contract } from "../contract/contract.ts";
import { discard, makeDirectory } from "../durable/durable.ts";
import { fail, type ServiceError } from "../errors/errors.ts";
import { program, root } from "../program/program.ts";
import { client, openSocketPort, overPort } from "../rpc/rpc.ts";
import { describe, type Log } from "../telemetry/telemetry.ts";

export interface ChildOptions<C extends Contract> {
  contract: C;
  /** The program: a file that calls `serveChild`. */
  entry: URL;
  /** What `create` in the child gets: JSON, bigint and typed arrays. */
  init: unknown;
  /** Each child has a folder of its own in this one, as long as it lives. */
  scratch: string;
  /** Folders that it may read, and in which it may write, beside its own, the program and the system's libraries. */
  readable: readonly string[];
  writable: () => Promise<readonly string[]>;
  openFilesMax: number;
  /** How long a call may take that names no time of its own, in milliseconds. */
  callTimeoutMs: number;
  log: Log;
}

export interface Child<C extends Contract> {
  pid: number;
  verbs: ClientOf<C>;
  /** Fetches one of its streams. */
  fetch: (path: string, init?: RequestInit) => Promise<Response>;
  /** Resolves when nothing that was asked of it runs any more. */
  rest: () => Promise<void>;
  /** Ends it at once; what waits for it rejects with the reason. */
  kill: (reason: ServiceError) => void;
  /** True from the moment at which its callers get the error. */
  isGone: () => boolean;
  /** True as soon as it was told to end, whatever it still answers. */
  isKilled: () => boolean;
  /** Resolves when the process is gone, with the error that its callers got. */
  ended: Promise<ServiceError>;
  /** Resolves when its folder is gone, too. */
  cleared: Promise<void>;
}

const ownFiles = [
  ".cache/bundles",
  "runtime",
  "workers",
  "node_modules",
  "package.json",
  "tsconfig.json",
  "bunfig.toml",
];
const packages = resolve(root, "node_modules");
/** Where the packages are a link, Bun looks for those that they import from where they really are. */
const realRoot = existsSync(packages) ? [dirname(realpathSync(packages))] : [];
/** What Bun and DuckDB read of the system: libraries, time zones, and the size of the machine. */
const system = [
  ...["/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/localtime", "/dev/null", "/dev/urandom"],
  ...["/proc/self", "/proc/meminfo", "/proc/cpuinfo", "/proc/sys/vm", "/sys/kernel/mm", "/sys/fs/cgroup"],
  "/sys/devices/system/cpu",
];
/** Nothing of the parent's environment but what tunes the runtime: no secret is in reach of native code. */
const passedOn = /^(HOME|TZ|LANG|LC_ALL|LD_LIBRARY_PATH|UV_THREADPOOL_SIZE|OMP_\w+|BUN_JSC_\w+)$/;

/**
 * Longest start of a child, in milliseconds, whatever its calls may take: hundreds of times what an idle machine needs,
 * so that a busy one is not taken for a child that hangs.
 */
const startTimeoutMs = 120_000;

/** Starts a child; rejects with `unavailable` when it does not come up. */
export async function startChild<C extends Contract>(options: ChildOptions<C>): Promise<Child<C>> {
  const { contract, log } = options;
  const scratch = join(options.scratch, crypto.randomUUID());
  const writable = [scratch, ...(await options.writable())];
  for (const folder of writable) {
    // A disk that takes nothing at the moment ends what has to write there, and nothing else.
    await makeDirectory(folder).catch((cause) =>
      log.warn("a child process has to do without a folder", { child: contract.name, ...describe(cause) }),
    );
  }
  const process_ = Bun.spawn(commandOf(options, writable), {
    // Where a relative name leads nowhere, and no .env file lies.
    cwd: "/",
    env: childEnvironment(),
    // Native code may print to stdout: it is ignored.
    stdio: ["ignore", "ignore", "pipe", "pipe"],
  });
  void logWords(process_.stderr, log, contract.name);
  let reason: ServiceError | undefined;
  const transport = overPort(contract.name, { timeoutMs: options.callTimeoutMs, inFlightMax });
  const kill = (why: ServiceError) => {
    reason ??= why;
    process_.kill("SIGKILL");
  };
  let isGone = false;
  const ended = process_.exited.then(() => {
    isGone = true;
    const why = reason ?? crashed(contract.name, process_);
    if (reason === undefined)
      log.warn("a child process crashed", { child: contract.name, error: why.message });
    transport.detach(why);
    return why;
  });
  const cleared = ended.then(() => discard(scratch));
  const socket = (process_.stdio as unknown as number[])[socketDescriptor] as number;
  transport.attach(await openSocketPort(socket, () => process_.kill("SIGKILL")));
  try {
    const { unconfined } = (await transport.call(
      beginVerb,
      { init: options.init, scratch },
      { timeoutMs: startTimeoutMs },
    )) as {
      unconfined: string[];
    };
    if (unconfined.length > 0)
      log.warn("this system cannot confine a child process", { child: contract.name, lacks: unconfined });
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    const why = fail("unavailable", `${contract.name} did not start: ${message}`, {
      retryAfterSeconds: 1,
      cause,
    });
    kill(why);
    throw why;
  }
  return {
    pid: process_.pid,
    verbs: client(contract, transport.call),
    fetch: transport.fetch,
    rest: async () => void (await transport.call(restVerb, {})),
    kill,
    isGone: () => isGone,
    isKilled: () => reason !== undefined,
    ended,
    cleared,
  };
}

function commandOf(
  { entry, readable, openFilesMax }: ChildOptions<Contract>,
  writable: readonly string[],
): string[] {
  const path = Bun.fileURLToPath(entry);
  const run = [process.execPath, "--no-install"];
  if (process.platform !== "linux") return [...run, path];
  const confinement: Confinement = {
    readable: [
      ...ownFiles.map((name) => resolve(root, name)),
      process.execPath,
      dirname(path),
      ...system,
      ...readable,
    ],
    writable,
    listable: [root, ...realRoot],
    openFilesMax,
  };
  return [
    ...run,
    Bun.fileURLToPath(program("runtime/child-main/launch.ts")),
    JSON.stringify(confinement),
    path,
  ];
}

/** Native code reports to nobody: ONNX Runtime sends what it runs on unless told. Where the kernel confines it, it could not. */
const silent = { ORT_DISABLE_TELEMETRY: "1" };

const childEnvironment = (): Record<string, string> => ({
  ...Object.fromEntries(
    Object.entries(process.env).filter((pair): pair is [string, string] => passedOn.test(pair[0])),
  ),
  ...silent,
});

const crashed = (
  name: string,
  { signalCode, exitCode }: { signalCode: number | string | null; exitCode: number | null },
) =>
  fail(
    "engine_crashed",
    `the process of ${name} ended by ${signalCode ?? `exit code ${exitCode}`}; nothing else was affected`,
  );

/** A child has no log of its own: what it writes to stderr, such as the report of a crash, is in its parent's. */
async function logWords(stderr: ReadableStream<Uint8Array>, log: Log, child: string): Promise<void> {
  const decoder = new TextDecoder();
  for await (const bytes of stderr)
    log.warn("a child process wrote", { child, stderr: decoder.decode(bytes, { stream: true }).trim() });
}
