/** Names in a statement and the datasets they mean. */
import { fail, type ServiceError } from "../../runtime/errors.ts";
import type { Manifest, Snapshot } from "./catalog.ts";
import { systemTables } from "./sandbox-lists.ts";
import { placeIn } from "./sql-error.ts";

/**
 * The datasets a statement uses, by the name it uses. A name in the very same letters wins; else letter case does not
 * matter, as everywhere in SQL. Throws `sql_error` with names that come near.
 */
export function resolveDatasets(
  tables: ReadonlyMap<string, number | undefined>,
  snapshot: Snapshot,
  sql: string,
): Map<string, Manifest> {
  const used = new Map<string, Manifest>();
  const byLowerName = new Map<string, Manifest>();
  for (const [name, position] of tables) {
    const manifest = find(name, snapshot);
    if (!manifest)
      throw unknown(
        name,
        snapshot,
        position === undefined ? undefined : placeIn({ sql, prefixBytes: 0 }, position),
      );
    const before = byLowerName.get(name.toLowerCase());
    if (before && before !== manifest)
      throw fail(
        "sql_error",
        `'${before.name}' and '${manifest.name}' differ in letter case alone: a statement can use one of them`,
      );
    if (!before) used.set(name, manifest);
    byLowerName.set(name.toLowerCase(), manifest);
  }
  return used;
}

function find(name: string, { datasets }: Snapshot): Manifest | undefined {
  const exact = datasets.get(name);
  if (exact) return exact;
  const lower = name.toLowerCase();
  const alike = [...datasets.values()].filter((manifest) => manifest.name.toLowerCase() === lower);
  if (alike.length > 1)
    throw fail(
      "sql_error",
      `'${name}' may mean ${alike.map((manifest) => manifest.name).join(" or ")}: write it in the same letters`,
    );
  return alike[0];
}

function unknown(name: string, snapshot: Snapshot, place: unknown): ServiceError {
  if (systemTables.test(name))
    return fail("statement_not_allowed", `the table '${name}' is not open to queries`, { details: place });
  const near = nearNames(name, [...snapshot.datasets.keys()]);
  const hint = near.length > 0 ? `; did you mean ${near.join(" or ")}?` : "; SHOW TABLES lists them";
  return fail("sql_error", `there is no dataset '${name.slice(0, 200)}'${hint}`, { details: place });
}

/** Hints given, and names looked at: a catalog may be large. */
const hintsMax = 3;
const namesMax = 10_000;

/** Names a few letters away, or that begin with the one given. */
export function nearNames(name: string, names: readonly string[]): string[] {
  const lower = name.toLowerCase();
  const far = Math.max(2, Math.floor(lower.length / 3));
  return names
    .slice(0, namesMax)
    .map((candidate) => ({ candidate, away: away(lower, candidate.toLowerCase(), far) }))
    .filter(({ away }) => away <= far)
    .sort((left, right) => left.away - right.away)
    .slice(0, hintsMax)
    .map(({ candidate }) => candidate);
}

/** Levenshtein distance, or 1 for a name that continues the one given; more than `most` is just more. */
function away(left: string, right: string, most: number): number {
  if (left.length > 2 && right.startsWith(left)) return 1;
  if (Math.abs(left.length - right.length) > most) return most + 1;
  let row = Array.from({ length: right.length + 1 }, (_, at) => at);
  for (let i = 1; i <= left.length; i++) {
    const next = [i];
    for (let j = 1; j <= right.length; j++) {
      const swap = (row[j - 1] ?? 0) + (left[i - 1] === right[j - 1] ? 0 : 1);
      next.push(Math.min(swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[right.length] ?? 0;
}
