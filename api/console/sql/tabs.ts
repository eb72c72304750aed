/** Statements in tabs, kept in the browser. */
import { element } from "../browser/browser.ts";

const key = "lakehouse.sql.tabs";

interface Kept {
  texts: string[];
  at: number;
}

export interface Tabs {
  /** The present tab's text is another one now. */
  keep: (text: string) => void;
  /** A tab more, which is shown. */
  open: (text: string) => void;
}

export function openTabs(place: HTMLElement, show: (text: string) => void): Tabs {
  const state = read();
  const save = () => localStorage.setItem(key, JSON.stringify(state));
  const select = (at: number) => {
    state.at = at;
    save();
    draw();
    show(state.texts[at] ?? "");
  };
  const open = (text: string) => {
    state.texts.push(text);
    select(state.texts.length - 1);
  };
  const close = (at: number) => {
    state.texts.splice(at, 1);
    if (state.texts.length === 0) state.texts.push("");
    select(Math.min(at, state.texts.length - 1));
  };
  const draw = () => {
    const tabs = state.texts.map((_, at) => {
      const tab = element("button", { type: "button", role: "tab", textContent: `Statement ${at + 1}` });
      tab.setAttribute("aria-selected", String(at === state.at));
      tab.onclick = () => select(at);
      tab.onkeydown = (event) => {
        if (event.key === "Delete") close(at);
      };
      return tab;
    });
    const more = element("button", { type: "button", ariaLabel: "Another statement", textContent: "+" });
    more.onclick = () => open("");
    const less = element("button", { type: "button", ariaLabel: "Close this statement", textContent: "×" });
    less.onclick = () => close(state.at);
    place.replaceChildren(...tabs);
    place.parentElement?.querySelector(".tab-tools")?.remove();
    place.after(element("span", { className: "row tab-tools" }, more, less));
  };
  draw();
  // The editor is made before it can be filled.
  queueMicrotask(() => show(state.texts[state.at] ?? ""));
  return {
    keep: (text) => {
      state.texts[state.at] = text;
      save();
    },
    open,
  };
}

function read(): Kept {
  try {
    const kept = JSON.parse(localStorage.getItem(key) ?? "") as Kept;
    if (kept.texts.length > 0) return kept;
  } catch {
    // Nothing was kept, or nothing that can be read.
  }
  return { texts: ["SHOW TABLES"], at: 0 };
}
