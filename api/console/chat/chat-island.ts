/** Chat: turns that stream, and what they rely on. */
import { byId, call, element, told } from "../browser/browser.ts";
import { rowAddress } from "../hits/hits.ts";
import { chat as says } from "../texts/texts.ts";
import { streamed } from "./stream.ts";
import { resultOf, type ToolCall, toolsOf } from "./tools.ts";

interface Hit {
  id: string;
  text?: string;
  corpus: string;
}

const form = byId<HTMLFormElement>("chat");
const stop = byId<HTMLButtonElement>("stop");
const messages: { role: string; content: string }[] = [];
let running: AbortController | undefined;
/** Rows that an answer may rely on. */
const hitsAsked = 5;
/** Characters of one that are shown. */
const shownMax = 1000;

stop.onclick = () => running?.abort();
form.onsubmit = (event) => {
  event.preventDefault();
  void say();
};

async function say(): Promise<void> {
  const fields = new FormData(form);
  const [model, corpus, text] = ["model", "corpus", "text"].map((name) => String(fields.get(name) ?? ""));
  if (!text?.trim()) return;
  (form.elements.namedItem("text") as HTMLTextAreaElement).value = "";
  byId("turns").append(element("article", { className: "turn mine" }, text));
  const answer = element("div", { className: "said" });
  const turn = element("article", { className: "turn" }, answer);
  byId("turns").append(turn);
  const own = new AbortController();
  running = own;
  stop.disabled = false;
  try {
    const hits = corpus ? await hitsOf(corpus, text, own.signal) : [];
    if (hits.length > 0) turn.append(sourcesOf(hits));
    if (model) await answered(model, { text, hits, turn, answer, signal: own.signal });
    else answer.textContent = hits.length > 0 ? says.bestRows : says.noRows;
  } catch (cause) {
    const words = own.signal.aborted ? says.stopped : told(cause);
    turn.append(element("p", { className: "failure", role: "alert", textContent: words }));
  } finally {
    stop.disabled = true;
    running = undefined;
  }
}

async function hitsOf(corpus: string, text: string, signal: AbortSignal): Promise<Hit[]> {
  const body = { query_text: text, corpora: [corpus], k: hitsAsked, include_text: true };
  const response = await call("POST", "/v1/matrix/search", { body, signal });
  return ((await response.json()) as { hits: Hit[] }).hits;
}

const sourcesOf = (hits: readonly Hit[]): HTMLElement =>
  element(
    "details",
    { open: true },
    element("summary", { textContent: says.sources }),
    element(
      "ol",
      {},
      ...hits.map(({ id, corpus, text = "" }) =>
        element(
          "li",
          {},
          element("a", { href: rowAddress(corpus, id), textContent: id }),
          ` ${text.slice(0, shownMax)}`,
        ),
      ),
    ),
  );

interface Turn {
  text: string;
  hits: readonly Hit[];
  turn: HTMLElement;
  answer: HTMLElement;
  signal: AbortSignal;
}

/** Rounds of tools before an answer. */
const roundsMax = 6;

/** Asks until the model has said what it has to say, and gives it what its tools find. */
async function answered(model: string, { text, hits, turn, answer, signal }: Turn): Promise<void> {
  const sources = hits.map(({ id, text: row = "" }) => `[${id}] ${row}`).join("\n");
  const content =
    hits.length === 0
      ? text
      : `${text}\n\nRely on these rows alone, and name them by their ids in brackets:\n${sources}`;
  const own: object[] = [{ role: "user", content }];
  const used = { prompt: 0, completion: 0, usd: 0 };
  const tools = mayUseTools() ? toolsOf(corpora()) : undefined;
  for (let round = 0; round < roundsMax; round++) {
    const body = {
      ...{ model, stream: true, stream_options: { include_usage: true } },
      ...(tools && { tools }),
      messages: [...messages, ...own],
    };
    const response = await call("POST", "/v1/chat/completions", {
      body,
      accept: "text/event-stream",
      signal,
    });
    const { content: said, toolCalls, usage = {} } = await streamed(response, (part) => answer.append(part));
    used.prompt += usage.prompt_tokens ?? 0;
    used.completion += usage.completion_tokens ?? 0;
    used.usd += usage.cost ?? 0;
    if (toolCalls.length === 0) {
      messages.push({ role: "user", content: text }, { role: "assistant", content: said });
      answer.replaceChildren(...cited(said, hits));
      turn.append(await costOf(model, used));
      return;
    }
    own.push({ role: "assistant", content: said === "" ? null : said, tool_calls: toolCalls });
    for (const asked of toolCalls) {
      const result = await resultOf(asked, signal);
      turn.insertBefore(shownTool(asked, result), answer);
      own.push({ role: "tool", tool_call_id: asked.id, content: result });
    }
  }
  throw new Error(says.tooManyRounds(roundsMax));
}

/** An answer names rows by their ids in brackets: each that it was given is a link to that row. */
function cited(text: string, hits: readonly Hit[]): (Node | string)[] {
  const known = new Map(hits.map(({ id, corpus }) => [`[${id}]`, rowAddress(corpus, id)]));
  return text.split(/(\[[^\]\n]*\])/).map((part) => {
    const href = known.get(part);
    return href === undefined ? part : element("a", { href, textContent: part });
  });
}

const mayUseTools = (): boolean => (form.elements.namedItem("tools") as HTMLInputElement).checked;
const corpora = (): string[] =>
  [...(form.elements.namedItem("corpus") as HTMLSelectElement).options]
    .map(({ value }) => value)
    .filter((name) => name !== "");

const shownTool = ({ function: { name, arguments: given } }: ToolCall, result: string): HTMLElement =>
  element(
    "details",
    {},
    element("summary", { textContent: says.asked(name) }),
    element("pre", { tabIndex: 0, textContent: given }),
    element("pre", { tabIndex: 0, textContent: result }),
  );

/** Tokens of the turn, and what its provider has cost today where that is known. */
async function costOf(
  model: string,
  { prompt, completion, usd }: { prompt: number; completion: number; usd: number },
): Promise<HTMLElement> {
  const place = element("p", {
    className: "quiet",
    textContent: says.tokens(prompt.toLocaleString("en"), completion.toLocaleString("en")),
  });
  if (usd > 0) place.append(says.cost(usd.toFixed(4)));
  const { providers } = (await (await call("GET", "/v1/chat/providers/details")).json()) as {
    providers: { name: string; spent_usd: number }[];
  };
  const provider = providers.find(({ name }) => model.startsWith(`${name}/`));
  if (provider) place.append(says.spent(provider.name, provider.spent_usd.toFixed(4)));
  return place;
}
