/** Statements in tabs, kept in the browser: windows share them, and each shows its own. */
import { element } from "../browser/browser.ts";
import { sql as says } from "../texts/texts.ts";

const key = "lakehouse.sql.statements";
/** Which one this window shows: a window's own, as `sessionStorage` is. */
const shownKey = "lakehouse.sql.shown";

interface Statement {
  id: string;
  text: string;
}

export interface Tabs {
  /** The present tab's text is another one now. */
  keep: (text: string) => void;
  /** A tab more, which is shown. */
  open: (text: string) => void;
}

export function openTabs(place: HTMLElement, show: (text: string) => void): Tabs {
  let shown = sessionStorage.getItem(shownKey) ?? "";
  /** Each change is made to what is kept now: another window may have changed it meanwhile. */
  const change = (how: (all: Statement[]) => Statement[]) =>
    localStorage.setItem(key, JSON.stringify(how(read())));
  const select = (id: string) => {
    shown = id;
    sessionStorage.setItem(shownKey, id);
    draw();
    show(read().find((each) => each.id === id)?.text ?? "");
  };
  const open = (text: string) => {
    const id = crypto.randomUUID();
    change((all) => [...all, { id, text }]);
    select(id);
  };
  const close = (id: string) => {
    const at = read().findIndex((each) => each.id === id);
    change((all) => all.filter((each) => each.id !== id));
    const next = read()[Math.max(0, at - 1)];
    if (next) select(next.id);
    else open("");
  };
  const draw = () => {
    const tabs = read().map(({ id }, at) => {
      const tab = element("button", { type: "button", role: "tab", textContent: says.statement(at + 1) });
      tab.setAttribute("aria-selected", String(id === shown));
      tab.onclick = () => select(id);
      tab.onkeydown = (event) => {
        if (event.key === "Delete") close(id);
      };
      return tab;
    });
    place.replaceChildren(...tabs);
  };
  const more = element("button", { type: "button", ariaLabel: says.another, textContent: "+" });
  more.onclick = () => open("");
  const less = element("button", { type: "button", ariaLabel: says.close, textContent: "×" });
  less.onclick = () => close(shown);
  place.after(element("span", { className: "row tab-tools" }, more, less));
  window.addEventListener("storage", draw);
  // The editor is made before it can be filled.
  queueMicrotask(() => {
    const all = read();
    const first = all.find(({ id }) => id === shown) ?? all[0];
    if (first) select(first.id);
    else open("SHOW TABLES");
  });
  return {
    keep: (text) => change((all) => all.map((each) => (each.id === shown ? { ...each, text } : each))),
    open,
  };
}

function read(): Statement[] {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(key) ?? "[]");
    return Array.isArray(kept) ? (kept as Statement[]) : [];
  } catch {
    // What cannot be read is as good as nothing: the next change writes it anew.
    return [];
  }
}
