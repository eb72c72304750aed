/** The SQL page: an editor that knows the datasets, several statements in tabs, results, charts and plans. */
import { PostgreSQL, sql } from "@codemirror/lang-sql";
import { syntaxHighlighting } from "@codemirror/language";
import { Compartment } from "@codemirror/state";
import { Decoration, keymap } from "@codemirror/view";
import { classHighlighter } from "@lezer/highlight";
import { basicSetup, EditorView } from "codemirror";
import {
  ApiError,
  byId,
  call,
  element,
  isNumber,
  notice,
  type Rows,
  showGrid,
  told,
} from "../browser/browser.ts";
import { drawChart } from "./chart.ts";
import { type PlanNode, showPlan } from "./plan.ts";
import { openTabs } from "./tabs.ts";

interface Answer extends Rows {
  row_count: number;
  truncated: boolean;
  elapsed_ms: number;
}

const nonce = document.querySelector<HTMLMetaElement>("meta[name=nonce]")?.content ?? "";
const [language, marks] = [new Compartment(), new Compartment()];
const languageOf = (schema: Record<string, string[]>) =>
  sql({ dialect: PostgreSQL, schema, upperCaseKeywords: true });

const view = new EditorView({
  parent: byId("editor"),
  extensions: [
    EditorView.cspNonce.of(nonce),
    keymap.of([
      {
        key: "Mod-Enter",
        run: () => {
          void run();
          return true;
        },
      },
    ]),
    // Colours are the style sheet's, for light and dark.
    syntaxHighlighting(classHighlighter),
    basicSetup,
    language.of(languageOf({})),
    marks.of([]),
    EditorView.lineWrapping,
    EditorView.contentAttributes.of({ "aria-label": "SQL" }),
    EditorView.updateListener.of((update) => {
      if (!update.docChanged) return;
      tabs.keep(view.state.doc.toString());
      mark(undefined);
      showParameters();
    }),
  ],
});
const setText = (text: string) =>
  view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text } });
const tabs = openTabs(byId("tabs"), setText);

/** The selection, or all. */
const statement = (): { text: string; from: number } => {
  const { from, to } = view.state.selection.main;
  return from === to
    ? { text: view.state.doc.toString(), from: 0 }
    : { text: view.state.sliceDoc(from, to), from };
};

/** Underlines the word at which the statement is wrong. */
function mark(at: number | undefined): void {
  const text = view.state.doc.toString();
  const word = at === undefined ? 0 : (/^[\w"]+|^./.exec(text.slice(at))?.[0].length ?? 0);
  const found =
    at === undefined || word === 0
      ? []
      : EditorView.decorations.of(Decoration.set([Decoration.mark({ class: "wrong" }).range(at, at + word)]));
  view.dispatch({ effects: marks.reconfigure(found) });
}

/** `$name` of the statement, outside quotes, each with a field. */
function showParameters(): void {
  const place = byId("parameters");
  const bare = statement().text.replaceAll(/'[^']*'|"[^"]*"/g, "");
  const names = [...new Set(Array.from(bare.matchAll(/\$([A-Za-z_]\w*)/g), ([, name = ""]) => name))];
  const known = new Map(Array.from(place.querySelectorAll("input"), (input) => [input.name, input.value]));
  if (names.join() === [...known.keys()].join()) return;
  place.replaceChildren(
    ...names.map((name) =>
      element("label", {}, `$${name} `, element("input", { name, value: known.get(name) ?? "" })),
    ),
  );
}

/** Fields are JSON where they read so, and text otherwise. */
function parameters(): Record<string, unknown> | undefined {
  const inputs = [...byId("parameters").querySelectorAll("input")];
  if (inputs.length === 0) return undefined;
  return Object.fromEntries(
    inputs.map(({ name, value }) => [
      name,
      /^(-?\d+(\.\d+)?|true|false|null)$/.test(value) ? JSON.parse(value) : value,
    ]),
  );
}

let running: AbortController | undefined;

/** Runs work that can be cancelled; a failure is told where it belongs. */
async function working(work: (signal: AbortSignal) => Promise<void>): Promise<void> {
  running?.abort();
  const own = new AbortController();
  running = own;
  const cancel = byId<HTMLButtonElement>("cancel");
  cancel.disabled = false;
  const from = statement().from;
  byId("failed").replaceChildren();
  mark(undefined);
  const began = performance.now();
  const clock = setInterval(() => {
    byId("told").textContent = `Running for ${((performance.now() - began) / 1000).toFixed(1)} s …`;
  }, 100);
  try {
    await work(own.signal);
  } catch (cause) {
    if (own.signal.aborted) byId("told").textContent = "Cancelled.";
    else {
      byId("told").textContent = "";
      byId("failed").replaceChildren(element("p", { className: "failure", textContent: told(cause) }));
      if (cause instanceof ApiError && cause.details.position !== undefined)
        mark(from + cause.details.position);
    }
  } finally {
    clearInterval(clock);
    if (running === own) {
      running = undefined;
      cancel.disabled = true;
    }
  }
}

const requestOf = (text: string) => {
  const params = parameters();
  return { sql: text, ...(params && { params }) };
};

const run = () =>
  working(async (signal) => {
    const { text } = statement();
    if (text.trim() === "") return;
    remember(text);
    const limit = Number(byId<HTMLSelectElement>("limit").value);
    const body = { ...requestOf(text), limit };
    const response = await call("POST", "/v1/sql?shape=full&numbers=string", { body, signal });
    const answer = (await response.json()) as Answer;
    byId("told").textContent =
      `${answer.row_count.toLocaleString("en")} rows in ${Math.round(answer.elapsed_ms)} ms${answer.truncated ? "; there are more" : ""}`;
    byId("plan").replaceChildren();
    showGrid(byId("result"), answer);
    offerChart(answer);
  });

const explain = () =>
  working(async (signal) => {
    const body = requestOf(`EXPLAIN (FORMAT json) ${statement().text}`);
    const response = await call("POST", "/v1/sql", { body, signal });
    const [row] = (await response.json()) as { explain_value: string }[];
    byId("told").textContent = "";
    byId("result").replaceChildren();
    showPlan(byId("plan"), JSON.parse(row?.explain_value ?? "[]") as PlanNode[]);
  });

const download = (choice: string) =>
  working(async (signal) => {
    const [accept = "", ending = ""] = choice.split(" ");
    const response = await call("POST", "/v1/sql", { body: requestOf(statement().text), accept, signal });
    const link = element("a", {
      href: URL.createObjectURL(await response.blob()),
      download: `result.${ending}`,
    });
    link.click();
    URL.revokeObjectURL(link.href);
    byId("told").textContent = "Downloaded.";
  });

function offerChart(answer: Rows): void {
  byId("chart-fields").hidden = answer.rows.length === 0;
  const fill = (id: string, chosen: number) =>
    byId<HTMLSelectElement>(id).replaceChildren(
      ...answer.columns.map(({ name }, at) =>
        element("option", { value: name, textContent: name, selected: at === chosen }),
      ),
    );
  fill("chart-x", 0);
  // The first column often tells rows apart: of the others the first with numbers is drawn.
  const numeric = answer.columns.findIndex(({ type }, at) => at > 0 && isNumber(type));
  fill("chart-y", numeric < 0 ? Math.min(1, answer.columns.length - 1) : numeric);
  const value = (id: string) => byId<HTMLSelectElement>(id).value;
  const draw = () =>
    drawChart(byId("chart"), answer, { kind: value("chart-kind"), x: value("chart-x"), y: value("chart-y") });
  for (const id of ["chart-kind", "chart-x", "chart-y"]) byId(id).onchange = draw;
  draw();
}

const historyKey = "lakehouse.sql.history";
const earlier = (): string[] => JSON.parse(localStorage.getItem(historyKey) ?? "[]");
const historyMax = 50;
function remember(text: string): void {
  const all = [text, ...earlier().filter((each) => each !== text)].slice(0, historyMax);
  localStorage.setItem(historyKey, JSON.stringify(all));
  showHistory();
}
function showHistory(): void {
  const first = element("option", { value: "", textContent: "…" });
  const all = earlier().map((text) => element("option", { value: text, textContent: text.slice(0, 80) }));
  byId("history").replaceChildren(first, ...all);
}

byId("run").onclick = () => void run();
byId("explain").onclick = () => void explain();
byId("cancel").onclick = () => running?.abort();
byId("share").onclick = () => {
  const link = new URL("/sql", location.href);
  link.hash = `sql=${encodeURIComponent(view.state.doc.toString())}`;
  void navigator.clipboard.writeText(link.href).then(
    () => notice("The link is in the clipboard."),
    (cause) => notice(String(cause), true),
  );
};
byId<HTMLSelectElement>("download").onchange = ({ target }) => {
  const select = target as HTMLSelectElement;
  if (select.value !== "") void download(select.value);
  select.value = "";
};
byId<HTMLSelectElement>("history").onchange = ({ target }) => {
  const { value } = target as HTMLSelectElement;
  if (value !== "") setText(value);
};
showHistory();

// A link's statement is opened once: the address is the page's own afterwards.
const link = new URLSearchParams(location.hash.slice(1));
const shared = link.get("sql");
if (shared !== null) {
  history.replaceState(null, "", "/sql");
  queueMicrotask(() => {
    tabs.open(shared);
    if (link.has("run")) void run();
  });
}
view.focus();

// Names of datasets and columns, for the editor to offer.
void call("POST", "/v1/sql", {
  body: {
    sql: "SELECT table_name AS t, list(column_name) AS c FROM information_schema.columns GROUP BY 1 LIMIT 2000",
  },
})
  .then(async (response) => (await response.json()) as { t: string; c: string[] }[])
  .then((rows) =>
    view.dispatch({
      effects: language.reconfigure(languageOf(Object.fromEntries(rows.map(({ t, c }) => [t, c])))),
    }),
  )
  .catch(() => undefined);
