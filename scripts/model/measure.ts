/** How fast a model is here, and what memory it takes. */
import { ownMemory } from "../../runtime/child/child.ts";
import type { ModelRecord, OnnxEngine } from "../../runtime/onnx/onnx.ts";

type Measured = Omit<ModelRecord["measured"], "threads">;

const words =
  "nurse driver welder teacher night shift hospital warehouse forklift licence invoice river autumn quiet bridge market paint engine garden letter".split(
    " ",
  );
const textWords = 12;
const batch = 64;
/** As long as is looked, at least, in milliseconds. */
const lookMs = 2000;
const query = "a driver with a forklift licence";

/** Texts of 12 words, in calls of 64, one call at a time; the first, which loads the model, is left out. */
export async function measure(engine: OnnxEngine, folder: string, { kind }: ModelRecord): Promise<Measured> {
  const { signal } = new AbortController();
  const run = (texts: readonly string[]) =>
    kind === "embedding" ? engine.embed(folder, texts, signal) : engine.score(folder, query, texts, signal);
  await run([textAt(0)]);
  let [texts, tokens, memory] = [0, 0, 1];
  const began = performance.now();
  while (performance.now() - began < lookMs) {
    const answer = await run(Array.from({ length: batch }, (_, at) => textAt(texts + at)));
    texts += batch;
    tokens += answer.tokens;
    memory = Math.max(memory, ownMemory(engine.pid() ?? 0));
  }
  const seconds = (performance.now() - began) / 1000;
  return {
    texts_per_second: Math.round((texts / seconds) * 10) / 10,
    tokens_per_second: Math.round(tokens / seconds),
    memory_bytes: memory,
  };
}

/** Numbers of unit vectors, and scores, that differ by more were not made the same way. */
const differenceMax = 1e-4;

/** Whether what the model says of a text is another when it is run with others. */
export async function dependsOnBatch(
  engine: OnnxEngine,
  folder: string,
  { kind }: ModelRecord,
): Promise<boolean> {
  const { signal } = new AbortController();
  const run = async (texts: readonly string[]): Promise<readonly number[]> => {
    if (kind === "reranker") return (await engine.score(folder, query, texts, signal)).scores;
    return [...new Float32Array((await engine.embed(folder, texts, signal)).vectors.slice().buffer)];
  };
  // Of the same words, so that they have one length and share a batch.
  const orders = Array.from({ length: 8 }, (_, at) => [...words.slice(at), ...words.slice(0, at)].join(" "));
  const [together, alone] = [await run(orders), await run(orders.slice(0, 1))];
  return alone.some((number, at) => Math.abs(number - (together[at] ?? 0)) > differenceMax);
}

/** A text of its own for each number. */
const textAt = (number: number): string =>
  Array.from(
    { length: textWords },
    (_, at) => words[(number * 7 + at * (1 + (number % 5))) % words.length],
  ).join(" ");
