/** What a bench is compared with has a manifest of its own, tests/bench/peers, and is installed when a bench asks for it. */
import { resolve } from "node:path";
import { runStep } from "../../../scripts/subprocess/subprocess.ts";

const home = resolve(import.meta.dir, "../../bench/peers");
const installTimeoutMs = 20 * 60_000;
const say = (line: string) => void process.stderr.write(`bench: ${line}\n`);

/** The part of LanceDB's interface that a bench uses: its types are installed with it alone. */
export interface LanceDb {
  connect: (path: string) => Promise<{
    createTable: (name: string, rows: object[]) => Promise<LanceTable>;
  }>;
  Index: { hnswSq: (options: { distanceType: "cosine"; numPartitions: number }) => unknown };
}
interface LanceTable {
  add: (rows: object[]) => Promise<unknown>;
  createIndex: (column: string, options: { config: unknown }) => Promise<void>;
  vectorSearch: (query: number[]) => LanceQuery;
}
interface LanceQuery {
  distanceType: (type: "cosine") => LanceQuery;
  ef: (ef: number) => LanceQuery;
  refineFactor: (factor: number) => LanceQuery;
  select: (columns: string[]) => LanceQuery;
  limit: (k: number) => LanceQuery;
  toArray: () => Promise<{ id: number }[]>;
}

/** LanceDB, installed first where it is missing; it is 560 MB on disk. */
export async function lanceDb(): Promise<LanceDb> {
  say(
    "LanceDB is a peer of this bench alone: it is installed into tests/bench/peers (560 MB on disk) if missing",
  );
  const step = {
    name: "installing the bench's peers",
    command: [process.execPath, "install", "--frozen-lockfile"] as const,
    timeoutMs: installTimeoutMs,
    cwd: home,
    shown: true,
    otherwise: ["fix: the npm registry must be reachable; then run the bench again"],
  };
  if (!(await runStep(step, say))) throw new Error("LanceDB could not be installed (see above)");
  return (await import(Bun.resolveSync("@lancedb/lancedb", home))) as LanceDb;
}
