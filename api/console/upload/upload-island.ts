/** Uploads: each file is looked at, its types may be changed, and it is loaded with progress. */
import { byId, call, element, told } from "../browser/browser.ts";
import { upload as says } from "../texts/texts.ts";
import { isDocument, offerDocument } from "./documents.ts";
import { loadedOf } from "./loaded.ts";
import { headsOf, type Preview, problemsOf, tableOf } from "./preview.ts";
import { failureOf, send } from "./sending.ts";

/** Bytes of a file that are looked at before it is loaded. */
const lookedAt = 1024 * 1024;
/** Bytes that say whether it is text: any other format has a zero among them. */
const sniffedBytes = 4096;
const lineEnd = 0x0a;
const nameOf = (file: string): string =>
  file
    .replace(/(\.(csv|tsv|txt|json|ndjson|jsonl|parquet|xlsx|ods|avro|sqlite3?|db|gz|zst))+$/i, "")
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
  const place = element("section", { className: "card", ariaLabel: file.name });
  byId("uploads").prepend(place);
  if (isDocument(file)) {
    place.replaceChildren(element("h2", { textContent: file.name }), offerDocument(file, place));
    return;
  }
  await look(file, { place, asked: askedOf(file) });
}

/** What is asked of the service for a file: of the preview, and of the load. */
interface Looked {
  place: HTMLElement;
  asked: Record<string, string>;
}

/** Shows what the service makes of a file, in the place of an earlier look at it. */
async function look(file: File, looked: Looked): Promise<void> {
  const { place, asked } = looked;
  const heading = element("h2", { textContent: file.name });
  place.replaceChildren(
    heading,
    element("p", { className: "quiet", role: "status", textContent: says.looking }),
  );
  try {
    const path = `/v1/ingest/preview?${new URLSearchParams({ rows: "10", ...asked })}`;
    const response = await inTurn(async () => call("POST", path, { body: await lookedAtOf(file) }));
    place.replaceChildren(heading, ...choices(file, (await response.json()) as Preview, looked));
  } catch (cause) {
    place.replaceChildren(heading, failureOf(told(cause)));
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

/** Other formats say by their bytes what they are. */
const askedOf = ({ name }: File): Record<string, string> =>
  /\.(ndjson|jsonl)(\.(gz|zst))?$/i.test(name) ? { format: "ndjson" } : {};

/** Of a workbook's sheets, or of a database's tables, another one may be looked at. */
function tableChoice(file: File, { format, tables = [] }: Preview, { place, asked }: Looked): HTMLElement[] {
  if (tables.length < 2) return [];
  const options = tables.map(({ name, taken, why }) =>
    element("option", { value: name, textContent: name, title: why, selected: taken }),
  );
  const select = element("select", {}, ...options);
  const kind = format === "sqlite" ? "table" : "sheet";
  select.onchange = () => void look(file, { place, asked: { ...asked, [kind]: select.value } });
  const why = tables.find(({ taken }) => taken)?.why ?? "";
  return [
    element("p", {}, element("label", {}, `${says.tables[kind]} `, select), " ", element("small", {}, why)),
  ];
}

function choices(file: File, preview: Preview, looked: Looked): HTMLElement[] {
  const { place, asked } = looked;
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
    const query = new URLSearchParams({ ...asked, name: name.value, mode: mode.value });
    const types = changed();
    if (rejects.checked) query.set("on_error", "reject");
    if (Object.keys(types).length > 0) query.set("types", JSON.stringify(types));
    load.disabled = true;
    await send(file, `/v1/ingest?${query}`, { place, shown: loadedOf });
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
    ...tableChoice(file, preview, looked),
    ...preview.warnings.map((text) => element("p", { className: "note", textContent: text })),
    ...problemsOf(preview),
    tableOf(file, preview, heads),
    form,
  ];
}

// Files that were chosen before this script was there.
take();
