/** Commands of operators, run as processes of their own: what they print as JSON is the answer. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Config, Provenance } from "../../../runtime/config/config.ts";
import { errorCode } from "../../../runtime/durable/durable.ts";
import { fail } from "../../../runtime/errors/errors.ts";
import { root } from "../../../runtime/program/program.ts";
import type { Deps, ServiceStatus } from "../../../runtime/service/service.ts";

interface Backup {
  point: string;
  files: number;
  bytes: number;
  copied_bytes: number;
  damaged: unknown[];
}
type Point = { point: string } & Partial<Pick<Backup, "files" | "bytes" | "damaged"> & { problem: string }>;
interface Checks {
  ok: boolean;
  checks: { name: string; required: boolean; state: "ok" | "missing"; found: string; fix?: string }[];
}

export interface Commands {
  doctor: () => Promise<Checks>;
  backups: () => Promise<{ directory?: string; points: Point[] }>;
  backup: (keep?: number) => Promise<Backup>;
  /** Ends what runs. A backup that is ended leaves files that the next one finds. */
  stop: () => Promise<void>;
}

const programs = { doctor: "scripts/doctor/doctor.ts", backup: "scripts/backup/backup.ts" } as const;

/** The end of what a command says where it fails. */
const saidMax = 2000;

export function createCommands({ config, live, system }: Pick<Deps, "config" | "live" | "system">): Commands {
  const running = new Map<string, Promise<unknown>>();
  const processes = new Set<Bun.Subprocess>();
  const directory = config.gateway.backup_dir;

  const run = async (name: keyof typeof programs, words: readonly string[]): Promise<unknown> => {
    const { auth, provenance } = live();
    const own = Bun.spawn([process.execPath, "--no-install", join(root, programs[name]), ...words], {
      env: {
        ...process.env,
        ...(await variablesOf(config, provenance, system())),
        ...(auth.token && { AUTH_TOKEN: auth.token }),
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    processes.add(own);
    const [printed, said] = await Promise.all([
      new Response(own.stdout).text(),
      new Response(own.stderr).text(),
    ]);
    const code = await own.exited;
    processes.delete(own);
    try {
      return JSON.parse(printed);
    } catch (cause) {
      const words = (said || printed).trim().slice(-saidMax);
      throw fail("conflict", `${name} ended with ${own.signalCode ?? code}: ${words}`, { cause });
    }
  };
  /** Whoever asks meanwhile gets the same answer. */
  const shared = (key: string, work: () => Promise<unknown>): Promise<unknown> => {
    const own = running.get(key) ?? work().finally(() => running.delete(key));
    running.set(key, own);
    return own;
  };
  const configured = (): string => {
    if (directory === "")
      throw fail("conflict", "no directory is configured for backups: set gateway.backup_dir");
    return directory;
  };
  return {
    doctor: async () => {
      const { file } = live().provenance;
      const words = ["--json", ...(file === undefined ? [] : ["--config", file])];
      return (await shared("doctor", () => run("doctor", words))) as Checks;
    },
    backups: async () => {
      if (directory === "") return { points: [] };
      if (await isEmpty(directory)) return { directory, points: [] };
      const listed = (await shared("list", () => run("backup", [directory, "--list", "--json"]))) as {
        points: Point[];
      };
      return { directory, points: listed.points };
    },
    backup: async (keep) => {
      const words = [configured(), "--json", ...(keep === undefined ? [] : ["--keep", String(keep)])];
      if (running.has("backup")) throw fail("conflict", "a backup is being taken: wait for its end");
      const gateway = system().find(({ name }) => name === "gateway")?.address ?? "";
      const taken = await shared("backup", () => run("backup", [...words, "--gateway", gateway]));
      return taken as Backup;
    },
    stop: async () => {
      for (const each of processes) each.kill();
      await Promise.all([...processes].map(({ exited }) => exited));
    },
  };
}

/** Also where it is made by the first backup. */
const isEmpty = async (path: string): Promise<boolean> =>
  (
    await readdir(path).catch((cause) => {
      if (errorCode(cause) === "ENOENT") return [];
      throw fail("conflict", `${path} cannot be read: ${errorCode(cause) ?? cause}`, { cause });
    })
  ).length === 0;

/**
 * What the command line said, as commands are told it, whose own has other words; and ports that the system chose, as they
 * are to find them.
 */
async function variablesOf(
  config: Config,
  { flags, file }: Provenance,
  services: readonly ServiceStatus[],
): Promise<Record<string, string>> {
  // The settings are read by the first who asks, not at each start.
  const { variableOf } = await import("../../../runtime/config/config.ts");
  const given = flags.map((flag) => {
    const at = flag.indexOf("=");
    return [variableOf(flag.slice(0, at)), flag.slice(at + 1)];
  });
  const bound = services
    .filter(({ name }) => Object(Object(config)[name]).bind?.endsWith(":0"))
    .map(({ name, address }) => [variableOf(`${name}.bind`), new URL(address).host]);
  return { ...Object.fromEntries([...given, ...bound]), ...(file !== undefined && { LH_CONFIG: file }) };
}
