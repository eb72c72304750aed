/** Names in a statement and the datasets they mean. */
import { fail, invalidField, type ServiceError, suggestionsFor } from "../../../runtime/errors/errors.ts";
import { fold } from "../../../runtime/sql/sql.ts";
import { placeIn } from "../errors/errors.ts";
import { isLive } from "./live-tables.ts";
import { hasSchema, rowIdColumns, withFiles } from "./open-tables.ts";
import { isDatasetName, type PastName, pastName, pastNameHint } from "./past-name.ts";
import type { Catalog, Manifest, Past, Snapshot } from "./snapshots.ts";
import { systemRelation } from "./system-views.ts";

/** What is looked for, and where. */
interface Lookup {
  /** The names a statement reads as tables, with the byte of their first use. */
  tables: ReadonlyMap<string, number | undefined>;
  /** The folded names of its own, which WITH gives. */
  cteNames: ReadonlySet<string>;
  sql: string;
  snapshot: Snapshot;
  /** RFC 3339: datasets as they were at this time, but for those that name a version of their own. */
  asOf: string | undefined;
  past: Catalog["past"];
}

/**
 * The datasets a statement uses, by the name it uses. A name in the very same letters wins; else letter case does not
 * matter, as everywhere in SQL. A dataset is resolved also where WITH gives the same name: DuckDB decides which of both is
 * meant. Throws `sql_error` with suggestions or the versions there are, `corrupt` or `unavailable` for a dataset that is
 * registered and cannot be read.
 */
export async function resolveDatasets(lookup: Lookup): Promise<Map<string, Manifest>> {
  const { tables, cteNames, snapshot } = lookup;
  const past = await findPast(lookup);
  const used = new Map<string, Manifest>();
  const byFolded = new Map<string, Manifest>();
  for (const name of tables.keys()) {
    const asked = past.get(fold(name));
    const manifest = asked ? asked.manifest : find(name, snapshot);
    const isOwn = cteNames.has(fold(name)) || systemRelation(fold(name)) !== undefined;
    if (!manifest && (isOwn || snapshot.views.has(fold(name)))) continue;
    if (!manifest) throw unknown(name, lookup, asked?.problem);
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

/**
 * The same datasets with some of their objects alone, which are told apart from the whole by their id. Throws `invalid_field`
 * for a name that the statement does not use as it stands, and for an object that the version does not have.
 */
export function withObjects(
  used: ReadonlyMap<string, Manifest>,
  asked: Readonly<Record<string, readonly string[]>>,
  rowIds = false,
): Map<string, Manifest> {
  const all = new Map(used);
  for (const [name, keys] of Object.entries(asked)) {
    const manifest = used.get(name);
    if (!manifest)
      throw invalidField(`objects.${name}`, "expected a name that the statement reads, as it stands there");
    const wanted = new Set(keys);
    const objects = manifest.objects.filter(({ key }) => wanted.has(key));
    if (objects.length < wanted.size)
      throw invalidField(`objects.${name}`, `expected keys of objects of version ${manifest.version}`);
    const id = `${manifest.dataset_id}.${Bun.hash(JSON.stringify([keys, rowIds])).toString(36)}`;
    const [row_count, bytes] = [total(objects, "row_count"), total(objects, "bytes")];
    const open = manifest.open && withFiles(manifest, manifest.open, wanted);
    const columns = rowIds && open ? [...manifest.columns, ...rowIdColumns] : manifest.columns;
    all.set(name, { ...manifest, columns, dataset_id: id, objects, row_count, bytes, ...open });
  }
  return all;
}

const total = (objects: Manifest["objects"], what: "row_count" | "bytes"): number =>
  objects.reduce((sum, object) => sum + object[what], 0);

/** What the catalog has of the names that mean a version that is past, by the folded name. */
async function findPast(lookup: Lookup): Promise<Map<string, Past>> {
  const { tables, cteNames, asOf, past } = lookup;
  const asked = new Map<string, PastName>();
  for (const name of tables.keys()) {
    const folded = fold(name);
    const named = pastName(name, hasSchema(name));
    if (isLive(named?.name ?? name) && (named || asOf !== undefined))
      throw fail(
        "sql_error",
        `'${named?.name ?? name}' has no versions: read it as it is, and ask of its column timestamp`,
        { details: place(name, lookup) },
      );
    if (named && cteNames.has(folded))
      throw fail("sql_error", `'${name}' is the name of a dataset's version: give the WITH another one`, {
        details: place(name, lookup),
      });
    if (asked.has(folded)) continue;
    if (named) asked.set(folded, named);
    else if (asOf !== undefined && isDatasetName(name)) asked.set(folded, { name, as_of: asOf });
  }
  if (asked.size === 0) return new Map();
  const found = await past([...asked.values()]);
  return new Map([...asked.keys()].map((folded, at) => [folded, found[at] ?? {}]));
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

function place(name: string, { tables, sql }: Lookup): unknown {
  const position = tables.get(name);
  return position === undefined ? undefined : placeIn({ sql, prefixBytes: 0 }, position);
}

/** `problem` is what the catalog says of a version that there is not. */
function unknown(name: string, lookup: Lookup, problem: string | undefined): ServiceError {
  const { snapshot } = lookup;
  const details = { details: place(name, lookup) };
  if (problem !== undefined) return fail("sql_error", problem, details);
  const closed = [...snapshot.unreadable.values()].find((each) => fold(each.name) === fold(name));
  if (closed?.type === "corrupt")
    return fail("corrupt", `dataset '${closed.name}' cannot be read: ${closed.reason}`, details);
  if (closed)
    return fail("unavailable", `dataset '${closed.name}' cannot be read now: ${closed.reason}`, details);
  const plain = pastName(name, hasSchema(name))?.name ?? name;
  const view = snapshot.views.get(fold(plain));
  if (view)
    return fail(
      "sql_error",
      `'${view.name}' is a view: what it reads has versions, its rows have none; as_of of the request reads it at a time`,
      details,
    );
  const views = [...snapshot.views.values()].map((view) => view.name);
  const near = suggestionsFor(plain, [...snapshot.datasets.keys(), ...views]);
  const hint = near.length > 0 ? `; did you mean ${near.join(" or ")}?` : "; SHOW TABLES lists them";
  return fail(
    "sql_error",
    `there is no dataset '${plain.slice(0, 200)}'${pastNameHint(plain) || hint}`,
    details,
  );
}
