/** The statements that ran in this browser, newest first. */
import { byId, element } from "../browser/browser.ts";

const [key, keptMax, shownCharacters] = ["lakehouse.sql.history", 50, 80];

function earlier(): string[] {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(key) ?? "[]");
    return Array.isArray(kept) ? kept.map(String) : [];
  } catch {
    // What cannot be read is as good as nothing: the next statement writes it anew.
    return [];
  }
}

export function remember(text: string): void {
  const all = [text, ...earlier().filter((each) => each !== text)].slice(0, keptMax);
  localStorage.setItem(key, JSON.stringify(all));
  showHistory();
}

export function showHistory(): void {
  const first = element("option", { value: "", textContent: "…" });
  const all = earlier().map((text) =>
    element("option", { value: text, textContent: text.slice(0, shownCharacters) }),
  );
  byId("history").replaceChildren(first, ...all);
}
