/** What became of a load. */
import { call, element, told } from "../browser/browser.ts";
import { upload as says } from "../texts/texts.ts";
import { linesOf, type Preview } from "./preview.ts";
import { failureOf } from "./sending.ts";

/** Of the rows that a load sets aside. */
const rejectsShown = 20;
interface Loaded {
  job_id: string;
  manifest: { name: string; version: number };
  rows_loaded: number;
  rows_rejected: number;
  rejects?: string;
  elapsed_ms: number;
  warnings: string[];
  unchanged: boolean;
}

export async function loadedOf({
  manifest,
  job_id: job,
  rows_loaded: rows,
  rows_rejected: bad,
  rejects,
  elapsed_ms: ms,
  warnings,
  unchanged,
}: Loaded): Promise<HTMLElement[]> {
  const link = element("a", { href: `/datasets/${manifest.name}`, textContent: says.open(manifest.name) });
  const rate = Math.round(rows / Math.max(0.001, ms / 1000)).toLocaleString("en");
  const text = unchanged
    ? says.unchanged
    : says.loaded({
        rows: rows.toLocaleString("en"),
        ms: Math.round(ms),
        rate,
        version: manifest.version,
      });
  const aside =
    rejects === undefined
      ? []
      : [
          element(
            "p",
            {},
            says.wereSetAside(bad),
            element("a", { href: `/datasets/${rejects}`, textContent: rejects }),
          ),
          await rejectsOf(rejects, job),
        ];
  return [
    element("p", { className: "note", role: "status" }, text, link),
    ...aside,
    ...warnings.map((warning) => element("p", { className: "note", textContent: warning })),
  ];
}

/** The first rows that were set aside, by the lines of the file. */
async function rejectsOf(dataset: string, job: string): Promise<HTMLElement> {
  const sql = `SELECT line, "column", reason, "text" FROM "${dataset}" WHERE job = $job ORDER BY line LIMIT ${rejectsShown}`;
  try {
    const response = await call("POST", "/v1/sql", { body: { sql, params: { job } } });
    return linesOf((await response.json()) as Preview["problems"]);
  } catch (cause) {
    return failureOf(told(cause));
  }
}
