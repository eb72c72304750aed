/** The SQL page: an editor that knows the datasets, several statements in tabs, results, charts and plans. */
import { completeFromList } from "@codemirror/autocomplete";
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
  copied,
  element,
  isNumber,
  notice,
  type Rows,
  showGrid,
  told,
} from "../browser/browser.ts";
import { sql as says } from "../texts/texts.ts";
import { drawChart, placesOf } from "./chart.ts";
import { remember, showHistory } from "./history.ts";
import { createParameters } from "./parameters.ts";
import { type PlanNode, showPlan } from "./plan.ts";
import { openSaved } from "./saved.ts";
import { openTabs } from "./tabs.ts";
import { typingOverSelection } from "./typing.ts";

interface Answer extends Rows {
  row_count: number;
  truncated: boolean;
  elapsed_ms: number;
}

interface SqlFunction {
  name: string;
  parameters: string[];
  description?: string;
}

const nonce = document.querySelector<HTMLMetaElement>("meta[name=nonce]")?.content ?? "";
const [language, functions, marks] = [new Compartment(), new Compartment(), new Compartment()];
const parameters = createParameters(byId("parameters"));
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
    functions.of([]),
    marks.of([]),
    typingOverSelection,
    EditorView.lineWrapping,
    EditorView.contentAttributes.of({ "aria-label": says.title }),
    EditorView.updateListener.of((update) => {
      if (!update.docChanged) return;
      tabs.keep(view.state.doc.toString());
      mark(undefined);
      parameters.show(statement().text);
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

/** The selection, or all, laid out; the library for it is loaded when it is first asked for. */
async function format(): Promise<void> {
  const { text, from } = statement();
  try {
    const { formatted } = (await import(byId("format").dataset.script ?? "")) as {
      formatted: (text: string) => string;
    };
    view.dispatch({ changes: { from, to: from + text.length, insert: formatted(text) } });
  } catch (cause) {
    notice(cause instanceof Error ? cause.message : String(cause), true);
  }
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
    byId("told").textContent = says.runningFor(((performance.now() - began) / 1000).toFixed(1));
  }, 100);
  try {
    await work(own.signal);
  } catch (cause) {
    if (own.signal.aborted) byId("told").textContent = says.cancelled;
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
  const params = parameters.values();
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
    byId("told").textContent = says.rowsIn(
      answer.row_count.toLocaleString("en"),
      Math.round(answer.elapsed_ms),
      answer.truncated,
    );
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
    byId("told").textContent = says.downloaded;
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
  const kinds = byId<HTMLSelectElement>("chart-kind");
  kinds.querySelector("[value=map]")?.remove();
  const places = placesOf(answer);
  if (places) kinds.append(element("option", { value: "map", textContent: says.map }));
  const draw = () =>
    drawChart(byId("chart"), answer, { kind: value("chart-kind"), x: value("chart-x"), y: value("chart-y") });
  for (const id of ["chart-x", "chart-y"]) byId(id).onchange = draw;
  kinds.onchange = () => {
    // A map knows its columns.
    if (places && kinds.value === "map") {
      byId<HTMLSelectElement>("chart-x").value = places.lon;
      byId<HTMLSelectElement>("chart-y").value = places.lat;
    }
    draw();
  };
  draw();
}

byId("run").onclick = () => void run();
byId("explain").onclick = () => void explain();
byId("cancel").onclick = () => running?.abort();
byId("format").onclick = () => void format();
byId("share").onclick = () => {
  const link = new URL("/sql", location.href);
  link.hash = `sql=${encodeURIComponent(view.state.doc.toString())}`;
  copied(link.href);
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
openSaved({
  current: () => ({ text: view.state.doc.toString(), values: parameters.values() ?? {} }),
  open: (text, defaults) => {
    tabs.open(text);
    parameters.fill(defaults);
  },
});

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

// Functions, with what they take.
void call("GET", "/v1/sql/functions")
  .then(async (response) => (await response.json()) as { functions: SqlFunction[] })
  .then(({ functions: all }) => {
    const offered = all.map(({ name, parameters: takes, description }) => ({
      label: name,
      type: "function",
      detail: `(${takes.join(", ")})`,
      ...(description !== undefined && { info: description }),
      // Tables and columns of the same beginning stand first.
      boost: -1,
    }));
    const autocomplete = completeFromList(offered);
    view.dispatch({ effects: functions.reconfigure(PostgreSQL.language.data.of({ autocomplete })) });
  })
  .catch(() => undefined);
