/** Elements of a page whose text stays text. */

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

export const byId = <E extends HTMLElement = HTMLElement>(id: string): E => document.getElementById(id) as E;

/** Tells what happened for some seconds, or until it is closed. */
export function notice(text: string, isFailure = false): void {
  const close = element("button", { type: "button", ariaLabel: "Close", textContent: "×" });
  const made = element("p", { className: isFailure ? "failure" : "note" }, text, close);
  close.onclick = () => made.remove();
  byId("notices").append(made);
  if (!isFailure) setTimeout(() => made.remove(), 6000);
}
