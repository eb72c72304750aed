/** Uploads: each file is looked at, its types may be changed, and it is loaded with progress. */
import { byId, call, element, told } from "../browser/browser.ts";
import { isDocument, offerDocument } from "./documents.ts";
import { send } from "./sending.ts";

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
    .replace(/(\.(csv|tsv|txt|json|ndjson|jsonl|parquet|gz|zst))+$/i, "")
    .replaceAll(/[^A-Za-z0-9_]+/g, "_")
    .slice(0, 60) || "data";

const input = byId<HTMLInputElement>("files");
const drop = byId("drop");
const take = () => {
  for (const file of input.files ?? []) void offer(file);
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
  for (const file of event.dataTransfer?.files ?? []) void offer(file);
};

async function offer(file: File): Promise<void> {
  const place = element(
    "section",
    { className: "card", ariaLabel: file.name },
    element("h2", { textContent: file.name }),
  );
  const state = element("p", { className: "quiet", role: "status", textContent: "Looking at it …" });
  place.append(state);
  byId("uploads").prepend(place);
  if (isDocument(file)) {
    place.replaceChildren(...place.querySelectorAll("h2"), offerDocument(file, place));
    return;
  }
  try {
    // The end of a compressed or a Parquet file is needed as well.
    const isText = !/\.(gz|zst|parquet)$/i.test(file.name);
    const head = isText ? file.slice(0, lookedAt) : file;
    const whole = isText && file.size > lookedAt ? head.slice(0, lastLine(await head.text())) : head;
    const response = await call("POST", `/v1/ingest/preview?rows=10${formatOf(file)}`, { body: whole });
    const preview = (await response.json()) as Preview;
    state.remove();
    place.append(...choices(file, preview, place));
  } catch (cause) {
    state.replaceWith(element("p", { className: "failure", role: "alert", textContent: told(cause) }));
  }
}

/** Bytes up to the last whole line. */
const lastLine = (text: string): number =>
  new TextEncoder().encode(text.slice(0, text.lastIndexOf("\n") + 1)).length;

const formatOf = ({ name }: File): string =>
  /\.(ndjson|jsonl)(\.(gz|zst))?$/i.test(name) ? "&format=ndjson" : "";

/** Each column's name, and its type, which may be changed. */
function headsOf({ columns }: Preview): { heads: HTMLElement[]; changed: () => Record<string, string> } {
  const selects = columns.map((column) => {
    const all = [column.type, ...commonTypes.filter((type) => type !== column.type)];
    const options = all.map((type) => element("option", { value: type, textContent: type }));
    const select = element("select", { title: column.why }, ...options);
    select.setAttribute("aria-label", `Type of ${column.name}`);
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
    element("option", { value: "replace", textContent: "in the place of what it holds" }),
    element("option", { value: "append", textContent: "besides what it holds" }),
  );
  const rejects = element("input", { type: "checkbox" });
  const { heads, changed } = headsOf(preview);
  const load = element("button", { type: "submit", className: "primary", textContent: "Load" });
  const form = element(
    "form",
    { className: "row" },
    element("label", {}, "Dataset ", name),
    element("label", {}, "Load it ", mode),
    element("label", {}, rejects, " Set bad rows aside"),
    load,
  );
  form.onsubmit = async (event) => {
    event.preventDefault();
    const query = new URLSearchParams({ name: name.value, mode: mode.value });
    const types = changed();
    if (rejects.checked) query.set("on_error", "reject");
    if (Object.keys(types).length > 0) query.set("types", JSON.stringify(types));
    load.disabled = true;
    await send(file, `/v1/ingest?${query}${formatOf(file)}`, { place, shown: loadedOf });
    load.disabled = false;
  };
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
        element("td", { textContent: value ?? "NULL", className: value === null ? "null" : "" }),
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
    { className: "scrolls", tabIndex: 0, role: "region", ariaLabel: `First rows of ${name}` },
    table,
  );
}

function problemsOf({ bad_rows: bad, problems }: Preview): HTMLElement[] {
  if (bad === 0) return [];
  const list = problems.map(({ line, column, reason, text }) =>
    element(
      "li",
      {},
      `Line ${line}${column === null ? "" : `, ${column}`}: ${reason} `,
      element("code", { textContent: text }),
    ),
  );
  return [
    element(
      "details",
      {},
      element("summary", { textContent: `${bad} rows cannot be read` }),
      element("ul", {}, ...list),
    ),
  ];
}

interface Loaded {
  manifest: { name: string; version: number };
  rows_loaded: number;
  rows_rejected: number;
  rejects?: string;
  elapsed_ms: number;
  warnings: string[];
  unchanged: boolean;
}

function loadedOf({
  manifest,
  rows_loaded: rows,
  rows_rejected: bad,
  rejects,
  elapsed_ms: ms,
  warnings,
  unchanged,
}: Loaded): HTMLElement[] {
  const link = element("a", { href: `/datasets/${manifest.name}`, textContent: `Open ${manifest.name}` });
  const rate = Math.round(rows / Math.max(0.001, ms / 1000)).toLocaleString("en");
  const text = unchanged
    ? "It held this already: no version was made. "
    : `${rows.toLocaleString("en")} rows in ${Math.round(ms)} ms, ${rate} a second, as version ${manifest.version}. `;
  const aside =
    rejects === undefined
      ? []
      : [
          element(
            "p",
            {},
            `${bad} rows were set aside: `,
            element("a", { href: `/datasets/${rejects}`, textContent: rejects }),
          ),
        ];
  return [
    element("p", { className: "note", role: "status" }, text, link),
    ...aside,
    ...warnings.map((warning) => element("p", { className: "note", textContent: warning })),
  ];
}

// Files that were chosen before this script was there.
take();
