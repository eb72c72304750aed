/** Names in a statement and the datasets they mean. */
import { fail, nearNames, type ServiceError } from "../../../runtime/errors/errors.ts";
import { fold } from "../../../runtime/sql/sql.ts";
import { placeIn } from "../errors/errors.ts";
import type { Manifest, Snapshot } from "./snapshots.ts";
import { systemRelation } from "./system-views.ts";

/**
 * The datasets a statement uses, by the name it uses; `cteNames` are the folded names of its own. A name in the very same
 * letters wins; else letter case does not matter, as everywhere in SQL. A dataset is resolved also where WITH gives the
 * same name: DuckDB decides which of both is meant. Throws `sql_error` with suggestions,
 * `unavailable` for a dataset that is registered and cannot be read.
 */
export function resolveDatasets(
  { tables, cteNames }: { tables: ReadonlyMap<string, number | undefined>; cteNames: ReadonlySet<string> },
  snapshot: Snapshot,
  sql: string,
): Map<string, Manifest> {
  const used = new Map<string, Manifest>();
  const byFolded = new Map<string, Manifest>();
  for (const [name, position] of tables) {
    const manifest = find(name, snapshot);
    if (!manifest && (cteNames.has(fold(name)) || systemRelation(fold(name)) !== undefined)) continue;
    if (!manifest)
      throw unknown(
        name,
        snapshot,
        position === undefined ? undefined : placeIn({ sql, prefixBytes: 0 }, position),
      );
    const before = byFolded.get(fold(name));
    if (before && before !== manifest)
      throw fail(
        "sql_error",
        `'${before.name}' and '${manifest.name}' differ in letter case alone: a statement can use one of them`,
      );
    if (!before) used.set(name, manifest);
    byFolded.set(fold(name), manifest);
  }
  return used;
}

function find(name: string, { datasets }: Snapshot): Manifest | undefined {
  const exact = datasets.get(name);
  if (exact) return exact;
  const folded = fold(name);
  const alike = [...datasets.values()].filter((manifest) => fold(manifest.name) === folded);
  if (alike.length > 1)
    throw fail(
      "sql_error",
      `'${name}' may mean ${alike.map((manifest) => manifest.name).join(" or ")}: write it in the same letters`,
    );
  return alike[0];
}

function unknown(name: string, snapshot: Snapshot, place: unknown): ServiceError {
  const closed = [...snapshot.unreadable.values()].find((each) => fold(each.name) === fold(name));
  if (closed?.type === "corrupt")
    return fail("corrupt", `dataset '${closed.name}' cannot be read: ${closed.reason}`, { details: place });
  if (closed)
    return fail("unavailable", `dataset '${closed.name}' cannot be read now: ${closed.reason}`, {
      details: place,
    });
  const near = nearNames(name, [...snapshot.datasets.keys()]);
  const hint = near.length > 0 ? `; did you mean ${near.join(" or ")}?` : "; SHOW TABLES lists them";
  return fail("sql_error", `there is no dataset '${name.slice(0, 200)}'${hint}`, { details: place });
}
