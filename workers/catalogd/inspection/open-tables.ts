/**
 * What open tables are read from: metadata, lists and manifests, read again, and whether the files that these name are there
 * with as many bytes as they say. What is in a file of somebody's engine its format alone knows.
 */
import pMap from "p-map";
import type { Peer } from "../../../runtime/contract/contract.ts";
import type { Finding, Inspected } from "../../../runtime/durable/durable.ts";
import { ServiceError } from "../../../runtime/errors/errors.ts";
import type { Storaged } from "../../storaged/contract.ts";
import type { OpenTables } from "../open/open.ts";
import type { Registry } from "../registry/registry.ts";
import { filesReachedBy } from "../retention/retention.ts";
import { isOpen, type Manifest, type OpenVersion } from "../versions/versions.ts";

export interface OpenInspectionDeps {
  registry: Pick<Registry, "head" | "manifests">;
  tables: Pick<OpenTables, "inside">;
  broken: BrokenTables;
  objects: Pick<Peer<Storaged>["verbs"], "head">;
  concurrency: number;
}

/** Tables whose files were found missing or damaged, by their latest version. */
export interface BrokenTables {
  /** `problem` undefined: the version was read, and all is there. */
  note: (version: Pick<Manifest, "name" | "version">, problem: string | undefined) => void;
  /** For readiness. */
  problems: () => string[];
}

export function createBrokenTables(registry: Pick<Registry, "manifests">): BrokenTables {
  const broken = new Map<string, { version: number; problem: string }>();
  return {
    note: ({ name, version }, problem) => {
      if (problem !== undefined) broken.set(name, { version, problem });
      else if (broken.get(name)?.version === version) broken.delete(name);
    },
    problems: () => {
      if (broken.size === 0) return [];
      const current = registry.manifests().flatMap(({ name, version }) => {
        const found = broken.get(name);
        return found?.version === version ? [`open table '${name}': ${found.problem}`] : [];
      });
      const more = current.length - namedMax;
      return more > 0 ? [...current.slice(0, namedMax), `and ${more} more open tables`] : current;
    },
  };
}

/** Tables that readiness names, and files of one table that are named; more are counted. */
const namedMax = 5;

/** The same tables; what is found when their files are read is noted. */
export const watchedTables = (tables: OpenTables, broken: BrokenTables): OpenTables => ({
  ...tables,
  files: async (version) => {
    try {
      const files = await tables.files(version);
      broken.note(version, undefined);
      return files;
    } catch (cause) {
      if (cause instanceof ServiceError && cause.type === "corrupt") broken.note(version, cause.message);
      throw cause;
    }
  },
});

export async function* inspectOpenTables(
  deps: OpenInspectionDeps,
  signal: AbortSignal,
): AsyncGenerator<Inspected> {
  const names = deps.registry.manifests().flatMap((each) => (isOpen(each) ? [each.name] : []));
  for (const [at, name] of names.entries()) {
    signal.throwIfAborted();
    for (const finding of await inspectTable(deps, name)) yield { finding };
    yield { progress: { done: at + 1, total: names.length, of: "open tables" } };
  }
}

/** Of a table that goes on being changed: files that an engine removed after its commit are looked at once more. */
const triesMax = 3;

async function inspectTable(deps: OpenInspectionDeps, name: string): Promise<Finding[]> {
  for (let tries = 1; ; tries++) {
    const head = deps.registry.manifests().find((each) => each.name === name);
    if (!isOpen(head)) return [];
    const found = await look(deps, head);
    const isStill = deps.registry.manifests().includes(head);
    if (found.length > 0 && !isStill && tries < triesMax) continue;
    deps.broken.note(head, found[0] && `${found[0].place} ${found[0].problem}`);
    return found.map(({ place, problem }) => ({
      severity: "damage",
      place,
      problem: `open table '${name}' is read from it, and ${problem}`,
      remedy:
        "put the same file back from a backup; without one, roll the table back to a version that does not need it (POST /v1/catalog/rollback), or have its engine remove what is lost",
    }));
  }
}

interface Problem {
  place: string;
  problem: string;
}

async function look(
  { tables, objects, concurrency }: OpenInspectionDeps,
  head: OpenVersion,
): Promise<Problem[]> {
  const { inside } = tables;
  const { reader, metadata } = inside.anew();
  let reached: Map<string, number>;
  try {
    const table = await metadata(head.metadata_location);
    const places = inside.within(head.locations);
    reached = await filesReachedBy(reader, { table, snapshots: table.snapshots, places });
  } catch (cause) {
    if (!(cause instanceof ServiceError)) throw cause;
    // A format that is not read here is no damage.
    if (cause.type === "unsupported_table") return [];
    if (!/^(not_found|corrupt|unprocessable|forbidden)$/.test(cause.type)) throw cause;
    return [{ place: head.metadata_location, problem: `not all of its files can be read: ${cause.message}` }];
  }
  const found = await pMap(
    reached,
    async ([address, bytes]): Promise<Problem[]> => {
      const key = await inside.keyOf(address);
      if (key === undefined) return [{ place: address, problem: "it is in no bucket of this catalog" }];
      const info = await objects.head({ key }).catch((cause: unknown) => {
        if (cause instanceof ServiceError && cause.type === "not_found") return undefined;
        throw cause;
      });
      if (!info) return [{ place: address, problem: "it is gone" }];
      return bytes === 0 || info.bytes === bytes
        ? []
        : [{ place: address, problem: `it has ${info.bytes} bytes, not ${bytes}` }];
    },
    { concurrency },
  );
  return shortened(found.flat());
}

function shortened(problems: readonly Problem[]): Problem[] {
  const [last] = problems.slice(namedMax - 1);
  const more = problems.length - namedMax;
  if (!last || more <= 0) return [...problems];
  return [
    ...problems.slice(0, namedMax - 1),
    { ...last, problem: `${last.problem}, as are ${more} more files` },
  ];
}
