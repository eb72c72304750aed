/** Elements of a page whose text stays text. */
import { frame } from "../texts/texts.ts";

/** An element with its children; text stays text. */
export function element<N extends keyof HTMLElementTagNameMap>(
  name: N,
  properties: Partial<HTMLElementTagNameMap[N]> & { role?: string } = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[N] {
  const made = document.createElement(name);
  const { role, ...more } = properties;
  if (role) made.setAttribute("role", role);
  Object.assign(made, more);
  made.append(...children);
  return made;
}

/** A table of texts and elements. */
export function tableOf(
  heads: readonly string[],
  rows: readonly (readonly (Node | string)[])[],
): HTMLElement {
  const head = element("tr", {}, ...heads.map((textContent) => element("th", { scope: "col", textContent })));
  const lines = rows.map((row) => element("tr", {}, ...row.map((cell) => element("td", {}, cell))));
  const table = element("table", {}, element("thead", {}, head), element("tbody", {}, ...lines));
  return element("section", { className: "scrolls", tabIndex: 0 }, table);
}

/** `{name}` in a text is what the values say of it. */
export const filled = (
  template: string,
  values: Record<string, unknown>,
  asText: (value: unknown) => string = String,
): string =>
  template.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const value = values[name] ?? "";
    if (typeof value === "number") return value.toLocaleString("en", { maximumFractionDigits: 2 });
    return asText(Array.isArray(value) ? value.join(", ") : value);
  });

export const byId = <E extends HTMLElement = HTMLElement>(id: string): E => document.getElementById(id) as E;

/** Tells what happened for some seconds, or until it is closed. */
export function notice(text: string, isFailure = false): void {
  const close = element("button", { type: "button", ariaLabel: frame.close, textContent: "×" });
  const made = element("p", { className: isFailure ? "failure" : "note" }, text, close);
  close.onclick = () => made.remove();
  byId("notices").append(made);
  if (!isFailure) setTimeout(() => made.remove(), 6000);
}

/** Into the clipboard, and says so. */
export const copied = (text: string): void =>
  void navigator.clipboard.writeText(text).then(
    () => notice(frame.copied),
    (cause) => notice(String(cause), true),
  );

/** Asks in a dialog; whoever closes it otherwise says no. */
export function confirmed(says: string, does: string): Promise<boolean> {
  const yes = element("button", { value: "yes", className: "danger", textContent: does });
  const no = element("button", { value: "", textContent: frame.cancel, autofocus: true });
  const form = element(
    "form",
    { method: "dialog" },
    element("p", {}, says),
    element("p", { className: "row" }, no, yes),
  );
  const dialog = element("dialog", { ariaLabel: frame.areYouSure }, form);
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.onclose = () => {
      resolve(dialog.returnValue === "yes");
      dialog.remove();
    };
  });
}
