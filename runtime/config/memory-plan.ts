/**
 * What each part of the product may take of the memory that this process may have, so that all of it together fits:
 * in a container of 512 MiB as on a machine of 64 GiB. A value that somebody set is taken as it is, and the others get
 * what is left.
 */

import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { machineMemory, memoryBytes } from "../memory/memory.ts";
import { defaults } from "./loading.ts";
import type { Config, ServiceSection } from "./settings.ts";

interface MemoryPart {
  /** The setting that bounds it; `lakehouse` for what is there without any. */
  name: string;
  what: string;
  bytes: number;
}

interface MemoryPlan {
  /** What this process may have: the machine's, or the least limit of its control groups. */
  available: number;
  parts: MemoryPart[];
  /** All parts together. */
  planned: number;
  /** With a number for each setting. */
  config: Config;
}

/** All services and two idle child processes take 270 MB; the rest is for requests under way. */
const ownBytes = 300_000_000;
/** With less than that beside itself nothing of size can be done. */
const leastFreeBytes = 64_000_000;

/** The process of models that were added (ADR 0252): counted where there are any, within its part in any case. */
const models = {
  section: "embedd",
  key: "onnx_max_bytes",
  part: 1 / 4,
  what: "the process that runs onnx/… models",
} as const;
/** With less no graph is opened: the least that the setting takes. */
const modelBytesMin = 64 * 1024 * 1024;

/** Settings whose default is bounded by this part of the memory that the product leaves. */
const caches: readonly { section: ServiceSection; key: string; part: number; what: string }[] = [
  { section: "embedd", key: "cache_max_bytes", part: 1 / 32, what: "vectors of texts" },
  { section: "queryd", key: "resident_max_bytes", part: 1 / 64, what: "small datasets" },
  { section: "chatd", key: "cache_max_bytes", part: 1 / 64, what: "answers" },
  { section: "observerd", key: "ring_max_bytes", part: 1 / 64, what: "latest operations" },
  { section: "gateway", key: "mcp_cache_bytes", part: 1 / 128, what: "results and sent messages of MCP" },
];
/** DuckDB keeps its own bound first; what it holds beside is bounded by its pool: `besideDuckDb` there. */
const engines: readonly { section: ServiceSection; times: number; what: string }[] = [
  { section: "queryd", times: 1.5, what: "queries, and half as much beside DuckDB" },
  {
    section: "ingestd",
    times: 1.7,
    what: "ingests, half as much beside DuckDB, and a fifth for what reads documents",
  },
];
const enginePart = 1 / 8;
/** With less DuckDB cannot read a small file. */
const engineBytesMin = 64_000_000;
/** Of what the others leave. The last quarter is for learning of FAISS and for what is built beside what is there. */
const budgets: readonly { section: ServiceSection; part: number; what: string }[] = [
  { section: "vectord", part: 1 / 2, what: "vector indexes" },
  { section: "pathwayd", part: 1 / 8, what: "traces" },
  { section: "matrixd", part: 1 / 16, what: "playbooks" },
  { section: "catalogd", part: 1 / 16, what: "manifests" },
];

/** PostgreSQL's catalog for clients of its protocol, in a process of its own while it is asked (ADR 0186). */
const pgwireBytes = 280_000_000;

type Table = Record<string, unknown>;

/** Plans for the services that run in this process. Throws where they cannot be at all. */
export function planMemory(
  given: Config,
  only: readonly ServiceSection[],
  available = machineMemory(),
  hasModels = haveModels(given.data_dir),
): MemoryPlan {
  const free = available - ownBytes;
  if (free < leastFreeBytes)
    throw new Error(
      `${inMB(ownBytes + leastFreeBytes)} of memory are needed, and ${inMB(available)} are there: ` +
        "give the machine or its control group more, or run fewer services here (--only)",
    );
  const usual = defaults();
  const config = structuredClone(given) as unknown as Record<string, Table>;
  const tableOf = (section: string) => config[section] as Table;
  const isUsual = (section: ServiceSection, key: string) =>
    tableOf(section)[key] === (usual[section] as unknown as Table)[key];
  const parts: MemoryPart[] = [{ name: "lakehouse", what: "all services, idle", bytes: ownBytes }];
  const runs = ({ section }: { section: ServiceSection }) => only.includes(section);

  for (const { section, key, part, what } of caches.filter(runs)) {
    const table = tableOf(section);
    if (isUsual(section, key)) table[key] = Math.floor(Math.min(Number(table[key]), free * part));
    parts.push({ name: `${section}.${key}`, what, bytes: Number(table[key]) });
  }
  if (runs(models)) {
    const { section, key, part, what } = models;
    const table = tableOf(section);
    if (isUsual(section, key))
      table[key] = Math.max(modelBytesMin, Math.floor(Math.min(Number(table[key]), free * part)));
    if (hasModels) parts.push({ name: `${section}.${key}`, what, bytes: Number(table[key]) });
  }
  for (const { section, times, what } of engines.filter(runs)) {
    const table = tableOf(section);
    if (isUsual(section, "memory_limit")) {
      const most = memoryBytes(String(table.memory_limit));
      const bytes = Math.min(most, Math.max(engineBytesMin, free * enginePart));
      table.memory_limit = `${Math.floor(bytes / 1e6)}MB`;
    }
    const bytes = memoryBytes(String(table.memory_limit)) * times;
    parts.push({ name: `${section}.memory_limit`, what, bytes });
  }
  if (only.includes("gateway") && given.pgwire.bind !== "")
    parts.push({ name: "pgwire.bind", what: "PostgreSQL's catalog, while clients ask", bytes: pgwireBytes });
  const set = budgets.filter(runs).filter(({ section }) => tableOf(section).max_memory_bytes !== 0);
  const taken = (names: readonly MemoryPart[]) => names.reduce((sum, { bytes }) => sum + bytes, 0);
  const fixed =
    taken(parts) + set.reduce((sum, { section }) => sum + Number(tableOf(section).max_memory_bytes), 0);
  // Settings that were given and exceed the memory are warned of; defaults shrink, but stay useful.
  const left = Math.max(available - fixed, free / 16);
  for (const { section, part, what } of budgets.filter(runs)) {
    const table = tableOf(section);
    if (table.max_memory_bytes === 0) table.max_memory_bytes = Math.floor(left * part);
    parts.push({ name: `${section}.max_memory_bytes`, what, bytes: Number(table.max_memory_bytes) });
  }
  return { available, parts, planned: taken(parts), config: config as unknown as Config };
}

/** Whether models were added to this data directory. */
const haveModels = (dataDir: string): boolean => {
  const folder = join(dataDir, "embedd", "models");
  return existsSync(folder) && readdirSync(folder).length > 0;
};

const inMB = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`;

/** Why it would not fit, with the figures, or undefined where it does. */
export function overcommitted({ available, parts, planned }: MemoryPlan): string | undefined {
  if (planned <= available) return undefined;
  const list = [...parts]
    .sort((a, b) => b.bytes - a.bytes)
    .map(({ name, bytes }) => `${name} ${inMB(bytes)}`);
  return `the limits allow ${inMB(planned)} of memory, and ${inMB(available)} are there: ${list.join(", ")}`;
}
