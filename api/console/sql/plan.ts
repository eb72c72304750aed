/** A statement's plan as a tree. */
import { element } from "../browser/browser.ts";

export interface PlanNode {
  name: string;
  facts?: Record<string, unknown>;
  children?: PlanNode[];
}

export function showPlan(place: HTMLElement, nodes: readonly PlanNode[]): void {
  place.replaceChildren(element("ul", { className: "plan" }, ...nodes.map(itemOf)));
}

function itemOf({ name, facts = {}, children = [] }: PlanNode): HTMLElement {
  const said = Object.entries(facts).map(([fact, value]) =>
    element("div", {
      className: "quiet",
      textContent: `${fact}: ${Array.isArray(value) ? value.join(", ") : String(value)}`,
    }),
  );
  const below = children.length === 0 ? [] : [element("ul", {}, ...children.map(itemOf))];
  return element("li", {}, element("strong", { textContent: name.replaceAll("_", " ") }), ...said, ...below);
}
