/**
 * What spreadsheets and dashboards send, as their sources and other servers' logs have it: Grafana's Infinity
 * (`pkg/infinity/headers.go`) and JSON API (`src/api.ts`, by Grafana's proxy), Power Query of Excel and Power BI, and
 * IMPORTDATA of Google Sheets.
 */

interface Recorded {
  client: string;
  method?: string;
  path: string;
  headers: Record<string, string>;
  body?: string;
  /** What comes, as text. */
  answer: string;
}

const infinity = (accept: string, token: string) => ({
  accept,
  "accept-encoding": "gzip",
  "user-agent": "Go-http-client/1.1",
  authorization: `Bearer ${token}`,
});
const infinityJson = "application/json;q=0.9,text/plain";
const mashup = {
  "user-agent": "Microsoft.Data.Mashup (https://go.microsoft.com/fwlink/?LinkID=304225)",
  "accept-encoding": "gzip, deflate",
  connection: "Keep-Alive",
};
const basic = (name: string, password: string) =>
  `Basic ${Buffer.from(`${name}:${password}`).toString("base64")}`;
const first = "SELECT id, title FROM jobs WHERE id < 2 ORDER BY id";
const inJson = '[{"id":0,"title":"job 0"},{"id":1,"title":"job 1"}]';
const inCsv = "id,title\n0,job 0\n1,job 1\n";

/** A saved query `first_jobs` with `most` and `since`, over a dataset `jobs`, is what they ask for. */
export const recordedRequests = (token: string): Recorded[] => [
  {
    client: "Excel, From Web: a dataset, with Basic",
    path: "/v1/datasets/jobs.csv?columns=id%2Ctitle&order=id&limit=2",
    headers: { ...mashup, authorization: basic("anna", token) },
    answer: inCsv,
  },
  {
    client: "Excel, From Web: a saved query, with Basic",
    path: "/v1/queries/first_jobs.csv?most=2",
    headers: { ...mashup, authorization: basic("anna", token) },
    answer: inCsv,
  },
  {
    client: "Power Query, Json.Document(Web.Contents(…)) with a header",
    path: "/v1/queries/first_jobs.json?most=2&shape=rows",
    headers: { ...mashup, authorization: `Bearer ${token}`, accept: "application/json" },
    answer: inJson,
  },
  {
    client: "Google Sheets, IMPORTDATA",
    path: `/v1/queries/first_jobs.csv?most=2&token=${token}`,
    headers: {
      "user-agent": "Mozilla/5.0 (compatible; GoogleDocs; apps-spreadsheets; +http://docs.google.com)",
      "accept-encoding": "gzip, deflate, br",
    },
    answer: inCsv,
  },
  {
    client: "Grafana's Infinity: JSON of a saved query, for the dashboard's time",
    path: "/v1/queries/first_jobs.json?most=2&since=2024-01-01T00%3A00%3A00Z",
    headers: infinity(infinityJson, token),
    answer: inJson,
  },
  {
    client: "Grafana's Infinity: CSV",
    path: `/v1/sql?sql=${new URLSearchParams([["", first]]).toString().slice(1)}`,
    headers: infinity("text/csv; charset=utf-8", token),
    answer: inCsv,
  },
  {
    client: "Grafana's Infinity: JSON by POST",
    method: "POST",
    path: "/v1/sql",
    headers: { ...infinity(infinityJson, token), "content-type": "application/json" },
    body: JSON.stringify({ sql: first }),
    answer: inJson,
  },
  {
    client: "Grafana's JSON API, by Grafana's proxy",
    path: "/v1/queries/first_jobs.json?most=2",
    headers: {
      accept: "application/json, text/plain, */*",
      "accept-encoding": "gzip, deflate, br, zstd",
      "user-agent": "Grafana/12.1.0",
      "x-forwarded-for": "192.0.2.7, 127.0.0.1",
      "x-grafana-org-id": "1",
      authorization: basic("grafana", token),
    },
    answer: inJson,
  },
];
