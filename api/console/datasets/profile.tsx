/** @jsxImportSource hono/jsx */
/** What the values of a dataset's columns are like. */
import type { ReplyOf } from "../../../runtime/contract/contract.ts";
import { ServiceError } from "../../../runtime/errors/errors.ts";
import { quoteName } from "../../../runtime/sql/sql.ts";
import type { Catalogd } from "../../../workers/catalogd/contract.ts";
import { count, Failure, type PageContext, Table } from "../parts/parts.ts";
import { orFailure } from "../session/session.ts";
import { datasets as says } from "../texts/texts.ts";

type Manifest = ReplyOf<Catalogd["endpoints"]["manifest"]>;

/** Rows that are looked at: of more, a sample. */
const profiledRows = 100_000;
/** Columns that are looked at once: SUMMARIZE takes seconds for a thousand. */
const profiledColumns = 100;
/** Bars of a histogram. */
const barsMax = 12;

/** Characters of the least and the most that are shown. */
const shownMax = 200;

interface Summary {
  column_name: string;
  column_type: string;
  min: string | null;
  max: string | null;
  approx_unique: number | null;
  avg: string | null;
  null_percentage: number | null;
}

/** By DuckDB's own SUMMARIZE, over a sample of large ones. */
export async function profile({ api, name, query }: PageContext) {
  const source = quoteName(`${name}@${Number(query.get("version"))}`);
  const manifest = await api.get<Manifest>(
    `/v1/catalog/manifest/${encodeURIComponent(name)}?version=${Number(query.get("version"))}`,
  );
  const isSample = manifest.row_count > profiledRows;
  const from = Number(query.get("profile"));
  const columns = manifest.columns.slice(from, from + profiledColumns);
  const names = columns.map((column) => quoteName(column.name)).join(", ") || "NULL";
  const sample = `SELECT ${names} FROM ${source}${isSample ? ` USING SAMPLE ${profiledRows}` : ""}`;
  const next = from + columns.length;
  const rows = await orFailure(
    api.post<Summary[]>("/v1/sql", {
      sql: `SELECT * REPLACE (left(min, ${shownMax}) AS min, left(max, ${shownMax}) AS max) FROM (SUMMARIZE ${sample})`,
    }),
  );
  if (rows instanceof ServiceError) return <Failure error={rows} />;
  const bins = await orFailure(binsOf(api, sample, rows));
  return (
    <>
      {isSample && from === 0 && <p class="quiet">{says.sampled(count(profiledRows))}</p>}
      <Table
        label={says.columns}
        heads={says.profileHeads}
        rows={rows.map((each) => [
          <code>{each.column_name}</code>,
          <code>{each.column_type}</code>,
          <meter
            value={each.null_percentage ?? 0}
            max={100}
            aria-label={says.nullShare(each.column_name, each.null_percentage ?? 0)}
            title={`${each.null_percentage ?? 0} %`}
          />,
          each.approx_unique === null ? "" : `≈ ${count(each.approx_unique)}`,
          <span class="cut">{each.min ?? ""}</span>,
          <span class="cut">{each.max ?? ""}</span>,
          each.avg === null ? "" : each.avg.slice(0, 12),
          bins instanceof ServiceError ? "" : <Histogram of={each} bins={bins.get(each.column_name)} />,
        ])}
        empty={says.noColumns}
      />
      {next < manifest.columns.length && (
        <button
          type="button"
          hx-get={`/datasets/${name}?profile=${next}&version=${manifest.version}`}
          hx-swap="outerHTML"
        >
          {says.moreColumns(count(manifest.columns.length - next))}
        </button>
      )}
    </>
  );
}

/** How many values lie in each of equal parts between the least and the most, of columns with numbers. */
async function binsOf(
  api: PageContext["api"],
  sample: string,
  columns: readonly Summary[],
): Promise<Map<string, number[]>> {
  const numeric = columns
    .filter(({ column_type: type }) => /INT|DECIMAL|DOUBLE|FLOAT/.test(type) && !/[[(].*[A-Z]/.test(type))
    .filter(({ min, max }) => min !== null && Number.isFinite(Number(max) - Number(min)) && min !== max);
  if (numeric.length === 0) return new Map();
  const parts = numeric.map(({ column_name: name, min, max }, at) => {
    const [least, width] = [Number(min), (Number(max) - Number(min)) / barsMax];
    const bin = `least(${barsMax - 1}, TRY_CAST(floor((CAST(${quoteName(name)} AS DOUBLE) - (${least})) / ${width}) AS INTEGER))`;
    return `SELECT ${at} AS at, ${bin} AS bin, count(*) AS n FROM s WHERE ${quoteName(name)} IS NOT NULL GROUP BY ALL`;
  });
  const rows = await api.post<{ at: number; bin: number | null; n: number }[]>("/v1/sql", {
    sql: `WITH s AS MATERIALIZED (${sample}) ${parts.join(" UNION ALL ")}`,
  });
  const found = new Map<string, number[]>();
  for (const { at, bin, n } of rows) {
    const name = numeric[at]?.column_name ?? "";
    const counts = found.get(name) ?? new Array<number>(barsMax).fill(0);
    if (bin !== null && bin >= 0) counts[bin] = n;
    found.set(name, counts);
  }
  return found;
}

const Histogram = ({ of, bins }: { of: Summary; bins: number[] | undefined }) => {
  if (!bins) return null;
  const most = Math.max(1, ...bins);
  return (
    <svg
      class="histogram"
      viewBox={`0 0 ${barsMax} 10`}
      preserveAspectRatio="none"
      role="img"
      aria-label={says.histogram(of.column_name, {
        min: of.min ?? "",
        max: of.max ?? "",
        parts: barsMax,
        counts: bins.join(", "),
      })}
    >
      {bins.map((n, at) => (
        <rect x={at + 0.05} y={10 - (10 * n) / most} width={0.9} height={(10 * n) / most} />
      ))}
    </svg>
  );
};
