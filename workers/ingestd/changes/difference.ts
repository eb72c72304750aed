/** The rows by which two versions differ, found by a key: counts, and some of them. Done by SQL in queryd. */
import type { ReplyOf } from "../../../runtime/contract/contract.ts";
import { fail, invalidField } from "../../../runtime/errors/errors.ts";
import { quoteName, quoteText } from "../../../runtime/sql/sql.ts";
import type { Ingestd } from "../contract.ts";
import type { DatasetManifest } from "../jobs/jobs.ts";
import { askRows, type Reading } from "./reading.ts";
import { quotedVersion } from "./statements.ts";

type Difference = ReplyOf<Ingestd["endpoints"]["diffRows"]>;
type Column = DatasetManifest["columns"][number];

/** Throws `invalid_field` for a key that is no column of both, and `unprocessable` where it names several rows of one. */
export async function rowDifference(
  reading: Reading,
  [from, to]: readonly [DatasetManifest, DatasetManifest],
  { key, sample }: { key: readonly string[]; sample: number },
): Promise<Difference> {
  const pairs = to.columns.flatMap((after) => {
    const before = sameColumn(from, to, after);
    return before ? [{ before, after }] : [];
  });
  const keys = key.map((name) => {
    const at = pairs.findIndex(({ after }) => after.name === name);
    if (at < 0) throw invalidField("key", `'${name.slice(0, 200)}' is no column of both versions`);
    return at;
  });
  const joined = joinOf({ from, to, keys, pairs });
  const [counted] = await askRows(reading, countOf({ joined, keys, from, to, pairs }));
  const [added, removed, changed] = ["added", "removed", "changed"].map((name) => Number(counted?.[name]));
  if (counted?.is_unique !== true)
    throw fail("unprocessable", `key: ${key.join(", ")} is the same in several rows of a version`, {
      details: { key },
    });
  const rows = sample === 0 ? [] : await askRows(reading, `${sampleOf({ joined, pairs })} LIMIT ${sample}`);
  return {
    ...{ name: to.name, from: from.version, to: to.version },
    rows: { added: added ?? 0, removed: removed ?? 0, changed: changed ?? 0 },
    sample: rows as Difference["sample"],
  };
}

/** By field id; of another dataset, before a drop, by name. */
function sameColumn(from: DatasetManifest, to: DatasetManifest, after: Column): Column | undefined {
  return from.dataset_id === to.dataset_id && after.field_id !== undefined
    ? from.columns.find(({ field_id }) => field_id === after.field_id)
    : from.columns.find(({ name }) => name === after.name);
}

interface Compared {
  from: DatasetManifest;
  to: DatasetManifest;
  keys: readonly number[];
  pairs: readonly { before: Column; after: Column }[];
}

/** Columns go by numbers, so that none of a dataset is taken for one of ours. */
function joinOf({ from, to, keys, pairs }: Compared): string {
  const side = (version: DatasetManifest, names: readonly string[], alias: string) => {
    const list = names.map((name, at) => `${quoteName(name)} AS c${at}`);
    return `(SELECT true AS there, ${list.join(", ")} FROM ${quotedVersion(version)}) AS ${alias}`;
  };
  const before = side(
    from,
    pairs.map((pair) => pair.before.name),
    "a",
  );
  const after = side(
    to,
    pairs.map((pair) => pair.after.name),
    "b",
  );
  return `FROM ${before} FULL JOIN ${after} ON ${keys.map((at) => `a.c${at} = b.c${at}`).join(" AND ")}`;
}

const differs = (pairs: Compared["pairs"]): string =>
  `(${pairs.map((_, at) => `a.c${at} IS DISTINCT FROM b.c${at}`).join(" OR ")})`;

function countOf({ joined, keys, from, to, pairs }: Compared & { joined: string }): string {
  const unique = (version: DatasetManifest, names: readonly string[]) =>
    `(SELECT count(*) = count(DISTINCT row(${names.map(quoteName).join(", ")})) FROM ${quotedVersion(version)})`;
  const named = (which: "before" | "after") => keys.map((at) => pairs[at]?.[which].name ?? "");
  const isUnique = `${unique(from, named("before"))} AND ${unique(to, named("after"))}`;
  return `SELECT count(*) FILTER (WHERE b.there AND a.there IS NULL) AS added, count(*) FILTER (WHERE a.there AND b.there IS NULL) AS removed,
    count(*) FILTER (WHERE a.there AND b.there AND ${differs(pairs)}) AS changed, any_value(u.is_unique) AS is_unique
    ${joined} RIGHT JOIN (SELECT ${isUnique} AS is_unique) AS u ON true`;
}

function sampleOf({ joined, pairs }: { joined: string; pairs: Compared["pairs"] }): string {
  const row = (which: "before" | "after", alias: string) => {
    const fields = pairs.map((pair, at) => `${quoteText(pair[which].name)}: ${alias}.c${at}`);
    return `CASE WHEN ${alias}.there THEN {${fields.join(", ")}} END`;
  };
  return `SELECT CASE WHEN a.there IS NULL THEN 'added' WHEN b.there IS NULL THEN 'removed' ELSE 'changed' END AS change,
    ${row("before", "a")} AS before, ${row("after", "b")} AS after
    ${joined} WHERE a.there IS NULL OR b.there IS NULL OR ${differs(pairs)}`;
}
