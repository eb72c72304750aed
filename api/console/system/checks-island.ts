/** Doctor and fsck: asked by their buttons, shown as they find something. */
import { byId, call, element, filled, linesOf, notice, tableOf, told } from "../browser/browser.ts";

interface Check {
  name: string;
  required: boolean;
  state: "ok" | "missing";
  found: string;
  fix?: string;
}
type Line =
  | { finding: { severity: string; place: string; problem: string; remedy: string } }
  | { progress: { done: number; total: number; of: string } }
  | { error: { message: string } }
  | { end: { count: number } };

const says = JSON.parse(byId("checks").dataset.says ?? "{}") as Record<string, string> & {
  checkHeads: string[];
  findingHeads: string[];
};
const say = (text = "") => {
  byId("checking").textContent = text;
};

const state = (text: string, isGood: boolean): HTMLElement =>
  element("span", { className: `state ${isGood ? "good" : "bad"}`, textContent: text });

async function doctor(): Promise<void> {
  say(says.checking);
  byId("checked").replaceChildren();
  const { ok, checks } = (await (await call("POST", "/v1/system/doctor", { body: {} })).json()) as {
    ok: boolean;
    checks: Check[];
  };
  say(ok ? says.doctorOk : says.doctorLacks);
  // What is missing stands first.
  const sorted = checks.toSorted((a, b) => rank(a) - rank(b));
  byId("checked").replaceChildren(
    tableOf(
      says.checkHeads,
      sorted.map(({ name, required, state: is, found, fix = "" }) => [
        name,
        is === "ok" || required ? state(is, is === "ok") : (says.optional ?? ""),
        found,
        fix,
      ]),
    ),
  );
}
const rank = ({ state: is, required }: Check): number => (is === "ok" ? 2 : required ? 0 : 1);

async function fsck(): Promise<void> {
  say(says.checking);
  byId("checked").replaceChildren();
  const { services } = (await (await call("GET", "/v1/system")).json()) as { services: { name: string }[] };
  const kept = services.map(({ name }) => name).filter((name) => name !== "gateway");
  const rows: (string | HTMLElement)[][] = [];
  for (const service of kept) await inspect(service, rows);
  const count = { findings: rows.length, services: kept.length };
  if (rows.length === 0) say(filled(says.whole ?? "", count));
  else say(filled(says.found ?? "", count));
}

/** One service's findings, and what it looks at; one that breaks off is a finding itself. */
async function inspect(service: string, rows: (string | HTMLElement)[][]): Promise<void> {
  const add = (row: (string | HTMLElement)[]) => {
    rows.push(row);
    byId("checked").replaceChildren(tableOf(says.findingHeads, rows));
  };
  const broken = (problem = "") =>
    add([service, state("damage", false), "", filled(says.notChecked ?? "", { service, problem }), ""]);
  let isWhole = false;
  try {
    for await (const line of linesOf(await call("GET", `/v1/durable/${service}/inspect`))) {
      const found = JSON.parse(line) as Line;
      if ("progress" in found) say(filled(says.inspecting ?? "", { service, ...found.progress }));
      if ("error" in found) return broken(found.error.message);
      if ("end" in found) isWhole = true;
      if (!("finding" in found)) continue;
      const { severity, place, problem, remedy } = found.finding;
      add([service, state(severity, false), place, problem, remedy]);
    }
    if (!isWhole) broken(says.brokeOff);
  } catch (cause) {
    broken(told(cause));
  }
}

for (const [id, work] of [
  ["doctor", doctor],
  ["fsck", fsck],
] as const) {
  const button = byId<HTMLButtonElement>(id);
  button.onclick = () => {
    button.disabled = true;
    void work()
      .catch((cause) => {
        say();
        notice(told(cause), true);
      })
      .finally(() => {
        button.disabled = false;
      });
  };
}
