/** @jsxImportSource hono/jsx */
/** Filters made of a corpus's metadata: a choice of values, or a range of numbers. */
import type { ReplyOf } from "../../../runtime/contract/contract.ts";
import { ServiceError } from "../../../runtime/errors/errors.ts";
import { quoteName, quoteText } from "../../../runtime/sql/sql.ts";
import type { Matrixd } from "../../../workers/matrixd/contract.ts";
import { Failure, type PageContext } from "../parts/parts.ts";
import { orFailure } from "../session/session.ts";
import { search as says } from "../texts/texts.ts";

type Corpus = ReplyOf<Matrixd["endpoints"]["corpus"]>;

/** Values that are offered, columns with a field, and rows that are looked at. */
const [valuesMax, columnsMax, sampledRows] = [20, 20, 100_000];

interface Seen {
  type: string | null;
  values: string[] | null;
  different: number;
}

/** What `f.…` fields of the address say, as SQL; nothing of columns that the corpus does not have. */
export function conditionsOf(columns: readonly string[], query: URLSearchParams): string[] {
  const given = (column: string, kind: string) => (query.get(`f.${kind}.${column}`) ?? "").trim();
  const number = (column: string, kind: string, sign: string) => {
    const text = given(column, kind);
    return text !== "" && Number.isFinite(Number(text))
      ? [`${quoteName(column)} ${sign} ${Number(text)}`]
      : [];
  };
  return columns.flatMap((column) => [
    ...(given(column, "is") === ""
      ? []
      : [`CAST(${quoteName(column)} AS VARCHAR) = ${quoteText(given(column, "is"))}`]),
    ...number(column, "min", ">="),
    ...number(column, "max", "<="),
  ]);
}

/** The fields of the chosen corpus, filled with what the address says. */
export async function filters({ api, query }: PageContext) {
  const name = query.get("corpus") ?? "";
  const corpus = await orFailure(api.get<Corpus>(`/v1/matrix/corpora/${encodeURIComponent(name)}`));
  if (corpus instanceof ServiceError) return <Failure error={corpus} />;
  const columns = (corpus.metadata_columns ?? []).slice(0, columnsMax);
  if (columns.length === 0) return "";
  const source = corpus.dataset === undefined ? `(${corpus.sql})` : quoteName(corpus.dataset);
  const parts = columns.map((column, at) => {
    const value = quoteName(column);
    return `{'type': first(typeof(${value})), 'different': approx_count_distinct(${value}), 'values': approx_top_k(CAST(${value} AS VARCHAR), ${valuesMax})} AS c${at}`;
  });
  const sql = `SELECT ${parts.join(", ")} FROM (SELECT * FROM ${source} USING SAMPLE ${sampledRows} ROWS)`;
  const rows = await orFailure(api.post<Record<string, Seen>[]>("/v1/sql", { sql }));
  if (rows instanceof ServiceError) return <Failure error={rows} />;
  return (
    <>
      {columns.map((column, at) => {
        const seen = rows[0]?.[`c${at}`];
        return seen === undefined ? null : <Field column={column} seen={seen} query={query} />;
      })}
    </>
  );
}

const bounds = [
  ["min", says.atLeast],
  ["max", says.atMost],
] as const;

const Field = ({ column, seen, query }: { column: string; seen: Seen; query: URLSearchParams }) => {
  const isNumber = /^(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|DECIMAL.*|DOUBLE|FLOAT)$/.test(seen.type ?? "");
  if (isNumber && seen.different > valuesMax)
    return (
      <>
        {bounds.map(([kind, words]) => (
          <label>
            {words(column)}{" "}
            <input
              type="number"
              step="any"
              name={`f.${kind}.${column}`}
              value={query.get(`f.${kind}.${column}`) ?? ""}
            />
          </label>
        ))}
      </>
    );
  const chosen = query.get(`f.is.${column}`) ?? "";
  return (
    <label>
      {column}{" "}
      <select name={`f.is.${column}`}>
        <option value="">{says.any}</option>
        {[...(seen.values ?? [])].sort().map((value) => (
          <option value={value} selected={value === chosen}>
            {value}
          </option>
        ))}
      </select>
    </label>
  );
};

/** Until the fields come, what the address says of them goes along. */
export const Pending = ({ query }: { query: URLSearchParams }) => (
  <>
    {[...query]
      .filter(([name, value]) => name.startsWith("f.") && value !== "")
      .map(([name, value]) => (
        <input type="hidden" name={name} value={value} />
      ))}
  </>
);
