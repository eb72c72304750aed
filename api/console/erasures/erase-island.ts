/** An erasure: nothing can be erased before a look at what would go, and whoever looks at other words looks again. */
import { byId, call, confirmed, element, tableOf, told } from "../browser/browser.ts";
import { erasures as says } from "../texts/texts.ts";

interface Report {
  state: "done" | "open";
  services: {
    service: string;
    problem?: string;
    removed: { place: string; what: string; count: number; names?: string[] }[];
    left: { place: string; why: string; remedy: string }[];
  }[];
}

/** Names of one place that are shown. */
const namesMax = 20;

const form = byId<HTMLFormElement>("erase");
const now = byId<HTMLButtonElement>("erase-now");
const place = byId("report");
const fields = () => Object.fromEntries(new FormData(form)) as Record<string, string>;
/** What was looked at. */
let seen: Report | undefined;

form.oninput = () => {
  if (!seen) return;
  forget();
  place.replaceChildren(element("p", { className: "note", textContent: says.lookAgain }));
};
form.onsubmit = (event) => {
  event.preventDefault();
  void asked(says.looking, async () => {
    seen = await sent({ ...fields(), dry_run: true });
    show(seen, { went: says.would, nothing: says.wouldNothing });
  });
};
now.onclick = () => void erase();

async function erase(): Promise<void> {
  if (!seen) return;
  const { subject = "" } = fields();
  const removed = seen.services.flatMap((each) => each.removed);
  const where = [...new Set(removed.map((each) => each.place))].join(", ");
  const number = [...Map.groupBy(removed, ({ what }) => what)]
    .map(([what, those]) => says.number(countOf(those), what))
    .join(", ");
  const words = removed.length === 0 ? says.saysNothing(subject) : says.says(subject, { number, where });
  if (!(await confirmed(words, says.doErase))) return;
  await asked(says.erasing, async () => {
    const report = await sent(fields());
    form.reset();
    show(report, { went: says.did, nothing: says.didNothing });
  });
  forget();
}

function forget(): void {
  seen = undefined;
  now.disabled = true;
}

const countOf = (removed: readonly { count: number }[]): string =>
  removed.reduce((sum, { count }) => sum + count, 0).toLocaleString("en");

const sent = async (body: object): Promise<Report> =>
  (await (await call("POST", "/v1/erase", { body })).json()) as Report;

/** One at a time, of the words that stand there: the form can be neither sent nor changed meanwhile. */
async function asked(words: string, work: () => Promise<void>): Promise<void> {
  forget();
  form.inert = true;
  place.replaceChildren(element("p", { className: "empty", textContent: words }));
  try {
    await work();
  } catch (cause) {
    place.replaceChildren(element("p", { className: "failure", role: "alert", textContent: told(cause) }));
  }
  form.inert = false;
  now.disabled = !seen;
}

function show({ state, services }: Report, { went, nothing }: { went: string; nothing: string }): void {
  const removed = services.flatMap(({ service, removed }) =>
    removed.map(({ place: where, what, count, names = [] }) => [
      ...[service, where, what, count.toLocaleString("en")],
      says.names(names.slice(0, namesMax), names.length),
    ]),
  );
  const left = services.flatMap(({ service, left }) =>
    left.map(({ place: where, why, remedy }) => [service, where, why, remedy]),
  );
  const problems = services.flatMap(({ service, problem }) =>
    problem === undefined ? [] : [says.problem(service, problem)],
  );
  place.replaceChildren(
    element("p", { className: "note", textContent: removed.length === 0 ? nothing : went }),
    ...(removed.length === 0 ? [] : [tableOf(says.heads, removed)]),
    ...problems.map((textContent) => element("p", { className: "failure", role: "alert", textContent })),
    ...(state === "open" && seen === undefined ? [element("p", { textContent: says.open })] : []),
    ...(left.length === 0
      ? []
      : [element("p", { textContent: says.leftTitle }), tableOf(says.leftHeads, left)]),
  );
}
