/** Chat: turns that stream, and what they rely on. */
import { byId, call, element, told } from "../browser/browser.ts";

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
    if (model) await answered(model, { text, hits, answer, signal: own.signal });
    else
      answer.textContent =
        hits.length > 0
          ? "No model is asked. The best rows:"
          : "No model is asked: choose a corpus, or configure a provider.";
  } catch (cause) {
    const words = own.signal.aborted ? "Stopped." : told(cause);
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
    element("summary", { textContent: "What it relies on" }),
    element(
      "ol",
      {},
      ...hits.map(({ id, corpus, text = "" }) =>
        element(
          "li",
          {},
          element("a", {
            href: `/search?corpus=${encodeURIComponent(corpus)}&q=${encodeURIComponent(text.slice(0, 100))}`,
            textContent: id,
          }),
          ` ${text}`,
        ),
      ),
    ),
  );

async function answered(
  model: string,
  {
    text,
    hits,
    answer,
    signal,
  }: { text: string; hits: readonly Hit[]; answer: HTMLElement; signal: AbortSignal },
): Promise<void> {
  const sources = hits.map(({ id, text: row = "" }) => `[${id}] ${row}`).join("\n");
  const content =
    hits.length === 0
      ? text
      : `${text}\n\nRely on these rows alone, and name them by their ids in brackets:\n${sources}`;
  const body = { model, stream: true, messages: [...messages, { role: "user", content }] };
  const response = await call("POST", "/v1/chat/completions", { body, accept: "text/event-stream", signal });
  let rest = "";
  for await (const chunk of (response.body as ReadableStream<Uint8Array>).pipeThrough(
    new TextDecoderStream() as never,
  )) {
    rest += chunk as unknown as string;
    const lines = rest.split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) answer.append(deltaOf(line));
  }
  messages.push({ role: "user", content: text }, { role: "assistant", content: answer.textContent ?? "" });
}

function deltaOf(line: string): string {
  if (!line.startsWith("data: {")) return "";
  const { choices, error } = JSON.parse(line.slice("data: ".length)) as {
    choices?: { delta?: { content?: string } }[];
    error?: { message: string };
  };
  if (error) throw new Error(error.message);
  return choices?.[0]?.delta?.content ?? "";
}
