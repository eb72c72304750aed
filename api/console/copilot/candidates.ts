/** Candidates of a job order, by the public API: search finds them, SQL says what they have and how far away they are. */
import type { ReplyOf } from "../../../runtime/contract/contract.ts";
import { quoteName, quoteText } from "../../../runtime/sql/sql.ts";
import type { Matrixd } from "../../../workers/matrixd/contract.ts";
import type { Api } from "../session/session.ts";
import { inWords, type Known, meets, type Requirement, readOrder } from "./job-order.ts";

type Corpus = ReplyOf<Matrixd["endpoints"]["corpus"]>;
type Hits = ReplyOf<Matrixd["endpoints"]["search"]>;
type Playbooks = ReplyOf<Matrixd["endpoints"]["playbooks"]>;

export interface Candidate {
  id: string;
  text: string;
  score: number;
  /** Of the row, by column. */
  facts: Record<string, unknown>;
  reasons: { words: string; met: boolean | undefined }[];
  /** From the place that the order names, where rows have coordinates. */
  km: number | undefined;
  /** Those that spoke for it. */
  playbooks: { playbook_id: string; because: string }[];
  rejected: boolean;
}

export interface Found {
  corpus: string;
  wanted: number | undefined;
  requirements: Requirement[];
  candidates: Candidate[];
}

/** Candidates that are looked at; the best of them are shown first. */
const candidatesMax = 30;
/** A column of more texts is prose or a name, and no list of what can be asked for. */
const valuesMax = 500;

/** `must`: requirements, as `inWords` has them, that nobody may lack. Throws what the API refuses. */
export async function findCandidates(
  api: Api,
  { order, corpus, must }: { order: string; corpus: Corpus; must: ReadonlySet<string> },
): Promise<Found> {
  const source = corpus.dataset === undefined ? `(${corpus.sql})` : quoteName(corpus.dataset);
  const { wanted, requirements } = readOrder(order, await knownColumns(api, source));
  const conditions = requirements.filter((each) => must.has(inWords(each))).flatMap(conditionOf);
  const [{ hits, errors }, rejected] = await Promise.all([
    api.post<Hits>("/v1/matrix/search", {
      query_text: order,
      corpora: [corpus.name],
      k: candidatesMax,
      include_text: true,
      use_playbook: true,
      ...(conditions.length > 0 && { sql_filter: conditions.join(" AND ") }),
    }),
    api.get<Playbooks>(
      `/v1/matrix/playbooks?corpus=${encodeURIComponent(corpus.name)}&tag=rejected&page_size=1000`,
    ),
  ]);
  if (hits.length === 0 && errors[0]) throw new Error(errors[0].message);
  const facts = await factsOf(api, { source, key: corpus.id_column, ids: hits.map(({ id }) => id) });
  const places = await distances(api, { source, key: corpus.id_column, requirements, facts });
  const out = new Set(
    rejected.playbooks.filter(({ query_text }) => query_text === order).map(({ answer_id }) => answer_id),
  );
  const candidates = hits.map(({ id, text = "", score, metadata, playbooks = [] }): Candidate => {
    const row = facts.get(id) ?? metadata;
    const km = places.get(id);
    const reasons = requirements.map((each) => ({ words: inWords(each), met: meets(each, row, km) }));
    return { id, text, score, facts: row, reasons, km, playbooks, rejected: out.has(id) };
  });
  const isOut = ({ reasons }: Candidate) => reasons.some(({ words, met }) => must.has(words) && met !== true);
  const metCount = ({ reasons }: Candidate) => reasons.filter(({ met }) => met === true).length;
  return {
    corpus: corpus.name,
    wanted,
    requirements,
    candidates: candidates
      .filter((each) => !isOut(each))
      .sort(
        (a, b) => Number(a.rejected) - Number(b.rejected) || metCount(b) - metCount(a) || b.score - a.score,
      ),
  };
}

/** Columns with their types and, of texts, the values that there are. */
async function knownColumns(api: Api, source: string): Promise<Known[]> {
  const columns = await api.post<{ column_name: string; column_type: string }[]>("/v1/sql", {
    sql: `DESCRIBE SELECT * FROM ${source}`,
  });
  const texts = columns.filter(({ column_type }) => column_type === "VARCHAR");
  const values = new Map<string, string[]>();
  // One after the other: a table may have more columns than queries are taken at once.
  for (const { column_name } of texts) {
    const column = quoteName(column_name);
    const rows = await api.post<{ v: string }[]>("/v1/sql", {
      sql: `SELECT DISTINCT ${column} AS v FROM ${source} WHERE ${column} IS NOT NULL LIMIT ${valuesMax + 1}`,
    });
    values.set(column_name, rows.length > valuesMax ? [] : rows.map(({ v }) => v));
  }
  return columns.map(({ column_name: name, column_type: type }) => ({
    name,
    type,
    values: /(^|_)name$/i.test(name) ? [] : (values.get(name) ?? []),
  }));
}

/** As a predicate of SQL; a distance is looked at afterwards. */
function conditionOf(requirement: Requirement): string[] {
  const column = quoteName(requirement.column);
  if (requirement.kind === "most") return [`${column} <= ${requirement.limit}`];
  if (requirement.kind === "least") return [`${column} >= ${requirement.limit}`];
  if (requirement.kind === "until") return [`${column} <= DATE ${quoteText(requirement.date)}`];
  return requirement.kind === "value"
    ? [`contains(lower(${column}), lower(${quoteText(requirement.value)}))`]
    : [];
}

interface Asked {
  source: string;
  key: string;
}

async function factsOf(api: Api, { source, key, ids }: Asked & { ids: readonly string[] }) {
  if (ids.length === 0) return new Map<string, Record<string, unknown>>();
  const rows = await api.post<Record<string, unknown>[]>("/v1/sql?numbers=string", {
    sql: `SELECT * FROM ${source} WHERE CAST(${quoteName(key)} AS VARCHAR) IN (${ids.map(quoteText).join(", ")})`,
  });
  return new Map(rows.map((row) => [String(row[key]), row]));
}

/** Kilometres by the haversine formula from the middle of the rows at the place that is asked for. */
async function distances(
  api: Api,
  {
    source,
    key,
    requirements,
    facts,
  }: Asked & { requirements: readonly Requirement[]; facts: ReadonlyMap<string, Record<string, unknown>> },
): Promise<Map<string, number>> {
  const [row] = facts.values();
  const column = (pattern: RegExp) => Object.keys(row ?? {}).find((each) => pattern.test(each));
  const [latitude, longitude] = [column(/^lat(itude)?$/i), column(/^(lon|lng|long|longitude)$/i)];
  const place = requirements.find(
    (each) =>
      each.kind === "near" || (each.kind === "value" && /city|town|location|place|site/i.test(each.column)),
  );
  if (!latitude || !longitude || !place || !("value" in place)) return new Map();
  const [lat, lon, at] = [latitude, longitude, place.column].map(quoteName);
  const rows = await api.post<{ id: string; km: number | null }[]>("/v1/sql", {
    sql: `WITH place AS (SELECT avg(${lat}) AS la, avg(${lon}) AS lo FROM ${source} WHERE ${at} = ${quoteText(place.value)})
SELECT CAST(${quoteName(key)} AS VARCHAR) AS id,
  CAST(round(2 * 6371 * asin(sqrt(pow(sin(radians(${lat} - la) / 2), 2) + cos(radians(la)) * cos(radians(${lat})) * pow(sin(radians(${lon} - lo) / 2), 2)))) AS INTEGER) AS km
FROM ${source}, place WHERE CAST(${quoteName(key)} AS VARCHAR) IN (${[...facts.keys()].map(quoteText).join(", ")})`,
  });
  return new Map(rows.flatMap(({ id, km }) => (km === null ? [] : [[id, km]])));
}
