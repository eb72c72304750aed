/** Query plans as text, drawn from DuckDB's JSON form: without the files behind a dataset. */

interface PlanNode {
  name?: string;
  operator_name?: string;
  children?: PlanNode[];
  extra_info?: Record<string, unknown> | string;
  operator_cardinality?: number;
  operator_timing?: number;
}

/** Facts that show where data lies. */
const hidden = /^(filename|file ?path|file\(s\)|files?$|function$)/i;

type Plan = { name: string; facts: Record<string, unknown>; children: Plan[] };

/** Reads DuckDB's JSON, of EXPLAIN or EXPLAIN ANALYZE, without what shows where data lies. */
export function readPlan(text: string): Plan[] {
  const parsed: PlanNode | PlanNode[] = JSON.parse(text);
  const roots = Array.isArray(parsed) ? parsed : (parsed.children ?? []);
  return roots.map(shown);
}

function shown(node: PlanNode): Plan {
  const info = typeof node.extra_info === "object" ? node.extra_info : {};
  const facts = Object.fromEntries(Object.entries(info).filter(([key]) => !hidden.test(key)));
  if (node.operator_cardinality !== undefined) facts.Rows = node.operator_cardinality;
  if (node.operator_timing !== undefined) facts.Seconds = Number(node.operator_timing.toFixed(6));
  const name = (node.name ?? node.operator_name ?? "").trim();
  return { name, facts, children: (node.children ?? []).map(shown) };
}

/** One line an operator, what feeds it below and indented. */
export function planText(plans: readonly Plan[], indent = ""): string {
  return plans
    .map(({ name, facts, children }) => {
      const details = Object.entries(facts).map(([key, value]) => `${key}: ${[value].flat().join(", ")}`);
      const line = `${indent}${name}${details.length > 0 ? ` (${details.join("; ")})` : ""}\n`;
      return line + planText(children, `${indent}  `);
    })
    .join("");
}
