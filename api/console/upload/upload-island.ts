/** Uploads: each file is looked at, its types may be changed, and it is loaded with progress. */
import { byId, call, element, told } from "../browser/browser.ts";
import { frame, upload as says } from "../texts/texts.ts";
import { isDocument, offerDocument } from "./documents.ts";
import { failureOf, send } from "./sending.ts";

interface Preview {
  format: string;
  dialect?: Record<string, unknown>;
  columns: { name: string; type: string; why: string }[];
  rows: (string | null)[][];
  bad_rows: number;
  problems: { line: number; column: string | null; reason: string; text: string }[];
  warnings: string[];
  whole_file: boolean;
}

/** Bytes of a file that are looked at before it is loaded. */
const lookedAt = 1024 * 1024;
/** Bytes that say whether it is text: any other format has a zero among them. */
const sniffedBytes = 4096;
const lineEnd = 0x0a;
/** Characters of a value that are shown. */
const shownMax = 500;
/** Of the rows that a load sets aside. */
const rejectsShown = 20;
const commonTypes = [
  "VARCHAR",
  "BIGINT",
  "DOUBLE",
  "DECIMAL(18,2)",
  "BOOLEAN",
  "DATE",
  "TIMESTAMP",
  "TIMESTAMP WITH TIME ZONE",
];

const nameOf = (file: string): string =>
  file
    .replace(/(\.(csv|tsv|txt|json|ndjson|jsonl|parquet|xlsx|ods|gz|zst))+$/i, "")
    .replaceAll(/[^A-Za-z0-9_]+/g, "_")
    .slice(0, 60) || "data";

/** What loads each file that was looked at. */
const loads = new Map<HTMLElement, () => Promise<void>>();
const input = byId<HTMLInputElement>("files");
const drop = byId("drop");
const takeAll = (files: Iterable<File>) => {
  for (const file of files) void offer(file);
};
const take = () => {
  takeAll(input.files ?? []);
  input.value = "";
};
input.onchange = take;
drop.ondragover = (event) => {
  event.preventDefault();
  drop.classList.add("over");
};
drop.ondragleave = () => drop.classList.remove("over");
drop.ondrop = (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  takeAll(event.dataTransfer?.files ?? []);
};
byId("load-all").onclick = async ({ target }) => {
  (target as HTMLButtonElement).disabled = true;
  for (const load of loads.values()) await load();
  (target as HTMLButtonElement).disabled = false;
};

async function offer(file: File): Promise<void> {
  const place = element(
    "section",
    { className: "card", ariaLabel: file.name },
    element("h2", { textContent: file.name }),
  );
  const state = element("p", { className: "quiet", role: "status", textContent: says.looking });
  place.append(state);
  byId("uploads").prepend(place);
  if (isDocument(file)) {
    place.replaceChildren(...place.querySelectorAll("h2"), offerDocument(file, place));
    return;
  }
  try {
    const path = `/v1/ingest/preview?rows=10${formatOf(file)}`;
    const response = await inTurn(async () => call("POST", path, { body: await lookedAtOf(file) }));
    const preview = (await response.json()) as Preview;
    state.remove();
    place.append(...choices(file, preview, place));
  } catch (cause) {
    state.replaceWith(element("p", { className: "failure", role: "alert", textContent: told(cause) }));
  }
}

/** Of many files that were dropped at once, one is looked at after the other. */
let turn: Promise<unknown> = Promise.resolve();
function inTurn<T>(work: () => Promise<T>): Promise<T> {
  const mine = turn.then(work);
  turn = mine.catch(() => undefined);
  return mine;
}

/** The whole lines at the beginning of a text; of other files, such as Parquet and workbooks, the end is needed as well. */
async function lookedAtOf(file: File): Promise<Blob> {
  if (file.size <= lookedAt || /\.(gz|zst)$/i.test(file.name)) return file;
  const head = new Uint8Array(await file.slice(0, lookedAt).arrayBuffer());
  const whole = head.lastIndexOf(lineEnd) + 1;
  return whole === 0 || head.subarray(0, sniffedBytes).includes(0) ? file : file.slice(0, whole);
}

const formatOf = ({ name }: File): string =>
  /\.(ndjson|jsonl)(\.(gz|zst))?$/i.test(name) ? "&format=ndjson" : "";

/** Each column's name, and its type, which may be changed. */
function headsOf({ columns }: Preview): { heads: HTMLElement[]; changed: () => Record<string, string> } {
  const selects = columns.map((column) => {
    const all = [column.type, ...commonTypes.filter((type) => type !== column.type)];
    const options = all.map((type) => element("option", { value: type, textContent: type }));
    const select = element("select", { title: column.why }, ...options);
    select.setAttribute("aria-label", says.typeOf(column.name));
    return { column, select };
  });
  return {
    heads: selects.map(({ column: { name, why }, select }) =>
      element("th", { scope: "col" }, name, element("br"), select, element("small", { textContent: why })),
    ),
    changed: () =>
      Object.fromEntries(
        selects.flatMap(({ column: { name, type }, select: { value } }) =>
          value === type ? [] : [[name, value]],
        ),
      ),
  };
}

function choices(file: File, preview: Preview, place: HTMLElement): HTMLElement[] {
  const name = element("input", {
    value: nameOf(file.name),
    required: true,
    pattern: "[A-Za-z0-9_][A-Za-z0-9_\\-]*",
  });
  const mode = element(
    "select",
    {},
    ...says.modes.map(([value, textContent]) => element("option", { value, textContent })),
  );
  const rejects = element("input", { type: "checkbox" });
  const { heads, changed } = headsOf(preview);
  const load = element("button", { type: "submit", className: "primary", textContent: says.load });
  const form = element(
    "form",
    { className: "row" },
    element("label", {}, `${says.dataset} `, name),
    element("label", {}, `${says.loadIt} `, mode),
    element("label", {}, rejects, ` ${says.setAside}`),
    load,
  );
  const submit = async () => {
    if (load.disabled || !form.reportValidity()) return;
    const query = new URLSearchParams({ name: name.value, mode: mode.value });
    const types = changed();
    if (rejects.checked) query.set("on_error", "reject");
    if (Object.keys(types).length > 0) query.set("types", JSON.stringify(types));
    load.disabled = true;
    await send(file, `/v1/ingest?${query}${formatOf(file)}`, { place, shown: loadedOf });
    load.disabled = false;
  };
  form.onsubmit = (event) => {
    event.preventDefault();
    void submit();
  };
  loads.set(place, submit);
  byId("load-all").hidden = loads.size < 2;
  const dialect = Object.entries(preview.dialect ?? {}).map(
    ([key, value]) => `${key} ${JSON.stringify(value)}`,
  );
  return [
    element("p", { className: "quiet", textContent: [preview.format, ...dialect].join(", ") }),
    ...preview.warnings.map((text) => element("p", { className: "note", textContent: text })),
    ...problemsOf(preview),
    tableOf(file, preview, heads),
    form,
  ];
}

function tableOf({ name }: File, { rows }: Preview, heads: readonly HTMLElement[]): HTMLElement {
  const lines = rows.map((row) =>
    element(
      "tr",
      {},
      ...row.map((value) =>
        element("td", {
          textContent: value?.slice(0, shownMax) ?? frame.null,
          className: value === null ? "null" : "",
        }),
      ),
    ),
  );
  const table = element(
    "table",
    {},
    element("thead", {}, element("tr", {}, ...heads)),
    element("tbody", {}, ...lines),
  );
  return element(
    "div",
    { className: "scrolls", tabIndex: 0, role: "region", ariaLabel: says.firstRowsOf(name) },
    table,
  );
}

function problemsOf({ bad_rows: bad, problems }: Preview): HTMLElement[] {
  if (bad === 0) return [];
  const summary = element("summary", { textContent: says.badRows(bad) });
  return [element("details", {}, summary, linesOf(problems))];
}

/** Rows that cannot be read, each in its line of the file. */
const linesOf = (problems: Preview["problems"]): HTMLElement =>
  element(
    "ul",
    {},
    ...problems.map(({ line, column, reason, text }) =>
      element("li", {}, says.badRow(line, column, reason), element("code", { textContent: text })),
    ),
  );

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

async function loadedOf({
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

// Files that were chosen before this script was there.
take();
