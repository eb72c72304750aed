/** Accepting and rejecting candidates: both are remembered, and who is accepted can be taken along as CSV. */
import { byId, call, element, notice, told } from "../browser/browser.ts";
import { rejection } from "../hits/hits.ts";
import { copilot as says } from "../texts/texts.ts";

interface Candidate {
  id: string;
  corpus: string;
  order: string;
  score: number;
  km?: number;
  facts: Record<string, unknown>;
  reasons: { words: string; met?: boolean }[];
  playbooks: { playbook_id: string }[];
}

/** A window's own: it is there again after a look at somebody's row. */
const key = "lakehouse.shortlist";
const accepted = new Map<string, Candidate>(kept());
show();

document.addEventListener("click", (event) => {
  const button = (event.target as Element).closest<HTMLButtonElement>("button[data-decide]");
  const card = button?.closest<HTMLElement>("[data-candidate]");
  if (button && card) void decide(button, card);
});

async function decide(button: HTMLButtonElement, card: HTMLElement): Promise<void> {
  const candidate = JSON.parse(card.dataset.candidate ?? "{}") as Candidate;
  const isAccepted = button.dataset.decide === "accept";
  button.disabled = true;
  try {
    await (isAccepted ? learn(candidate) : unlearn(candidate));
  } catch (cause) {
    button.disabled = false;
    notice(told(cause), true);
    return;
  }
  if (isAccepted) accepted.set(candidate.id, candidate);
  else accepted.delete(candidate.id);
  sessionStorage.setItem(key, JSON.stringify([...accepted]));
  card.classList.toggle("accepted", isAccepted);
  card.classList.toggle("rejected", !isAccepted);
  for (const each of card.querySelectorAll<HTMLButtonElement>("button[data-decide]"))
    each.disabled = each === button;
  show();
}

const learn = ({ order, id, corpus }: Candidate) =>
  call("POST", "/v1/matrix/playbooks/record", {
    body: { query_text: order, answer_id: id, corpus, score: 1, tags: ["accepted"] },
  });

const unlearn = ({ order: query, ...hit }: Candidate) =>
  call("POST", "/v1/matrix/playbooks/delta", { body: rejection({ query, ...hit }) });

function kept(): [string, Candidate][] {
  try {
    return JSON.parse(sessionStorage.getItem(key) ?? "[]") as [string, Candidate][];
  } catch {
    // What cannot be read is as good as nothing: the next one who is accepted writes it anew.
    return [];
  }
}

function show(): void {
  const names = [...accepted.values()].map(({ id, facts }) => String(facts.name ?? id));
  byId("shortlist").textContent = names.length === 0 ? says.nobodyAccepted : names.join(", ");
  byId<HTMLButtonElement>("shortlist-csv").disabled = names.length === 0;
}

byId("shortlist-csv").onclick = () => {
  const all = [...accepted.values()];
  const columns = [...new Set(all.flatMap(({ facts }) => Object.keys(facts)))];
  const lines = all.map(({ facts, reasons, score, km }) => [
    ...columns.map((column) => facts[column]),
    score,
    km,
    reasons.flatMap(({ words, met }) => (met ? [words] : [])).join("; "),
  ]);
  const head = [...columns, ...says.csvHeads];
  const link = element("a", {
    href: URL.createObjectURL(new Blob([[head, ...lines].map(csvLine).join("")], { type: "text/csv" })),
    download: "shortlist.csv",
  });
  link.click();
  URL.revokeObjectURL(link.href);
};

/** A text that a spreadsheet would take for a formula is made one that it does not. */
function csvLine(cells: readonly unknown[]): string {
  const written = cells.map((cell) => {
    const text = cell === null || cell === undefined ? "" : String(cell);
    const safe = typeof cell === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  });
  return `${written.join(",")}\r\n`;
}
