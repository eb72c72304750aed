/** The line before the providers: who shares what, what travels together, who is refused. */
import { describe, expect, test } from "bun:test";
import {
  createBatcher,
  type FetchBatch,
  type QueuedText,
  TextFailure,
} from "../../../../workers/embedd/embedding/batcher.ts";
import type { Model } from "../../../../workers/embedd/providers/model-id.ts";
import { type ProviderLimits, TextTooLong } from "../../../../workers/embedd/providers/provider.ts";

function modelOf(limits: Partial<ProviderLimits> = {}, id = "test/model"): Model {
  const provider = {
    name: "test",
    limits: { texts: 3, bytes: 1000, calls: 1, ...limits },
    open: false,
    embed: () => Promise.reject(new Error("the line does not call it")),
    models: async () => [],
  };
  return { id, name: "model", provider };
}

interface Call {
  texts: string[];
  signal: AbortSignal;
  answer: () => void;
  refuse: (cause: unknown) => void;
}

/** A far side whose calls the test answers when it likes. */
function farSide() {
  const calls: Call[] = [];
  const watchers: (() => void)[] = [];
  const fetchBatch: FetchBatch = (_model, wanted, signal) => {
    const { promise, resolve, reject } = Promise.withResolvers<Awaited<ReturnType<FetchBatch>>>();
    signal.addEventListener("abort", () => reject(signal.reason));
    calls.push({
      texts: wanted.map(({ text }) => text),
      signal,
      answer: () => resolve(wanted.map(({ text }) => ({ vector: Float32Array.of(text.length), tokens: 1 }))),
      refuse: reject,
    });
    for (const watcher of watchers) watcher();
    return promise;
  };
  const call = async (at: number): Promise<Call> => {
    for (;;) {
      const found = calls[at];
      if (found) return found;
      await new Promise<void>((resolve) => watchers.push(resolve));
    }
  };
  return { calls, call, fetchBatch };
}

const wanted = (...texts: string[]): QueuedText[] => texts.map((text) => ({ key: `m\n${text}`, text }));
const never = () => new AbortController().signal;
const lengths = (fetched: { vector: Float32Array }[]) => fetched.map(({ vector }) => vector[0]);

describe("what travels together", () => {
  test("batches of the provider's limit, answers in the order asked for", async () => {
    const far = farSide();
    const batcher = createBatcher(far.fetchBatch, 100);
    const done = batcher.fetch(
      modelOf({ calls: 3 }),
      wanted("1", "22", "333", "4444", "55555", "666666", "7777777"),
      never(),
    );
    (await far.call(2)).answer();
    (await far.call(0)).answer();
    (await far.call(1)).answer();
    expect(lengths(await done)).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(far.calls.map(({ texts }) => texts.length)).toEqual([3, 3, 1]);
    expect(batcher.waiting()).toBe(0);
  });

  test("no more bytes than the limit, but one text always", async () => {
    const far = farSide();
    const batcher = createBatcher(far.fetchBatch, 100);
    const done = batcher.fetch(
      modelOf({ bytes: 10, calls: 9 }),
      wanted("a".repeat(6), "b".repeat(4), "c".repeat(30), "d"),
      never(),
    );
    await far.call(2);
    for (const call of far.calls) call.answer();
    await done;
    expect(far.calls.map(({ texts }) => texts.join("|").length)).toEqual([11, 30, 1]);
  });

  test("texts of several callers that wait for a call", async () => {
    const far = farSide();
    const batcher = createBatcher(far.fetchBatch, 100);
    const model = modelOf();
    const all = [wanted("first"), wanted("second"), wanted("third")];
    const first = batcher.fetch(model, all[0] as QueuedText[], never());
    const call = await far.call(0);
    const others = all.slice(1).map((texts) => batcher.fetch(model, texts, never()));
    call.answer();
    (await far.call(1)).answer();
    await Promise.all([first, ...others]);
    expect(far.calls.map(({ texts }) => texts)).toEqual([["first"], ["second", "third"]]);
  });

  test("requests take turns, so that a single text does not wait for a long list", async () => {
    const far = farSide();
    const batcher = createBatcher(far.fetchBatch, 100);
    const model = modelOf();
    const list = ["a1", "a2", "a3", "a4", "a5", "a6", "a7"];
    const long = batcher.fetch(model, wanted(...list), never());
    const first = await far.call(0);
    const single = batcher.fetch(model, wanted("query"), never());
    first.answer();
    (await far.call(1)).answer();
    expect(lengths(await single)).toEqual([5]);
    (await far.call(2)).answer();
    expect(lengths(await long)).toEqual(list.map((text) => text.length));
    expect(far.calls.map(({ texts }) => texts)).toEqual([
      ["a1", "a2", "a3"],
      ["a4", "query", "a5"],
      ["a6", "a7"],
    ]);
  });

  test("models take turns, so that a long list of one does not hold up another", async () => {
    const far = farSide();
    const batcher = createBatcher(far.fetchBatch, 100);
    const model = modelOf({ texts: 1 });
    const other = { ...model, id: "test/other" };
    const long = batcher.fetch(model, wanted("a1", "a2", "a3"), never());
    const short = batcher.fetch(other, [{ key: "o\nb", text: "b" }], never());
    for (let at = 0; at < 4; at++) (await far.call(at)).answer();
    await Promise.all([long, short]);
    expect(far.calls.map(({ texts }) => texts[0])).toEqual(["a1", "b", "a2", "a3"]);
  });
});

describe("who shares a call", () => {
  test("equal texts asked for at once, and while they are on their way", async () => {
    const far = farSide();
    const batcher = createBatcher(far.fetchBatch, 100);
    const model = modelOf();
    const first = batcher.fetch(model, wanted("same", "mine"), never());
    const second = batcher.fetch(model, wanted("same"), never());
    const call = await far.call(0);
    const third = batcher.fetch(model, wanted("same"), never());
    call.answer();
    expect([lengths(await first), lengths(await second), lengths(await third)]).toEqual([[4, 4], [4], [4]]);
    expect(far.calls.map(({ texts }) => texts)).toEqual([["same", "mine"]]);
  });

  test("a caller who gives up takes nobody's answer away", async () => {
    const far = farSide();
    const batcher = createBatcher(far.fetchBatch, 100);
    const leaving = new AbortController();
    const left = batcher.fetch(modelOf(), wanted("same"), leaving.signal);
    const stayed = batcher.fetch(modelOf(), wanted("same"), never());
    const call = await far.call(0);
    leaving.abort(new Error("enough"));
    await expect(left).rejects.toThrow("enough");
    expect(call.signal.aborted).toBe(false);
    call.answer();
    expect(lengths(await stayed)).toEqual([4]);
  });

  test("when all give up the call is ended, and who asks later gets a new one", async () => {
    const far = farSide();
    const batcher = createBatcher(far.fetchBatch, 100);
    const model = modelOf();
    const controllers = [new AbortController(), new AbortController()];
    const callers = controllers.map(({ signal }) => batcher.fetch(model, wanted("same"), signal));
    const call = await far.call(0);
    for (const controller of controllers) controller.abort(new Error("enough"));
    const outcomes = await Promise.allSettled(callers);
    expect(outcomes.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    expect(call.signal.aborted).toBe(true);
    const later = batcher.fetch(model, wanted("same"), never());
    (await far.call(1)).answer();
    expect(lengths(await later)).toEqual([4]);
    expect(batcher.waiting()).toBe(0);
  });

  test("a text that waits and that nobody wants any more is not fetched", async () => {
    const far = farSide();
    const batcher = createBatcher(far.fetchBatch, 100);
    const model = modelOf();
    const first = batcher.fetch(model, wanted("first"), never());
    const call = await far.call(0);
    const leaving = new AbortController();
    const waiting = batcher.fetch(model, wanted("unwanted"), leaving.signal);
    const staying = batcher.fetch(model, wanted("wanted"), never());
    leaving.abort(new Error("enough"));
    await expect(waiting).rejects.toThrow("enough");
    call.answer();
    (await far.call(1)).answer();
    await Promise.all([first, staying]);
    expect(far.calls.map(({ texts }) => texts)).toEqual([["first"], ["wanted"]]);
  });

  test("a call that some texts' callers left goes on, and newcomers share it", async () => {
    const far = farSide();
    const batcher = createBatcher(far.fetchBatch, 100);
    const model = modelOf();
    const leaving = new AbortController();
    const left = batcher.fetch(model, wanted("left"), leaving.signal);
    const stayed = batcher.fetch(model, wanted("stay"), never());
    const call = await far.call(0);
    leaving.abort(new Error("enough"));
    await expect(left).rejects.toThrow("enough");
    const back = batcher.fetch(model, wanted("left"), never());
    call.answer();
    expect([lengths(await stayed), lengths(await back)]).toEqual([[4], [4]]);
    expect(far.calls.length).toBe(1);
  });
});

describe("who is refused", () => {
  test("a text that is too long alone, after few calls; the others are answered", async () => {
    const calls: number[] = [];
    const fetchBatch: FetchBatch = async (_model, texts) => {
      calls.push(texts.length);
      if (texts.some(({ text }) => text.length > 50)) throw new TextTooLong("too long");
      return texts.map(({ text }) => ({ vector: Float32Array.of(text.length), tokens: 1 }));
    };
    const batcher = createBatcher(fetchBatch, 100);
    const model = modelOf({ texts: 64 });
    const texts = Array.from({ length: 32 }, (_, at) => `text ${at}`);
    const mine = batcher.fetch(model, wanted("x".repeat(60)), never());
    const others = batcher.fetch(model, wanted(...texts), never());
    const refusal = await mine.catch((cause: unknown) => cause);
    expect(refusal).toBeInstanceOf(TextFailure);
    expect((refusal as TextFailure).key).toBe(`m\n${"x".repeat(60)}`);
    expect(lengths(await others)).toEqual(texts.map((text) => text.length));
    expect(calls.length).toBeLessThanOrEqual(13);
  });

  test("a failure of the provider fails its batch alone, and is not remembered", async () => {
    const far = farSide();
    const batcher = createBatcher(far.fetchBatch, 100);
    const model = modelOf({ calls: 2 });
    const failing = batcher.fetch(model, wanted("a"), never());
    const call = await far.call(0);
    const fine = batcher.fetch(model, wanted("b"), never());
    (await far.call(1)).answer();
    call.refuse(new Error("down"));
    await expect(failing).rejects.toThrow("down");
    expect(lengths(await fine)).toEqual([1]);
    const again = batcher.fetch(model, wanted("a"), never());
    (await far.call(2)).answer();
    expect(lengths(await again)).toEqual([1]);
  });

  test("texts beyond the line's length, whole requests at a time; shared ones cost no place", async () => {
    const far = farSide();
    const batcher = createBatcher(far.fetchBatch, 3);
    const model = modelOf();
    const first = batcher.fetch(model, wanted("a", "b"), never());
    await expect(batcher.fetch(model, wanted("c", "d"), never())).rejects.toMatchObject({
      type: "too_many_requests",
      retryAfterSeconds: 1,
    });
    expect(batcher.waiting()).toBe(2);
    const shared = batcher.fetch(model, wanted("a", "b", "c"), never());
    (await far.call(0)).answer();
    (await far.call(1)).answer();
    await Promise.all([first, shared]);
    expect(batcher.waiting()).toBe(0);
  });

  test("a caller who has gone already", async () => {
    const far = farSide();
    const batcher = createBatcher(far.fetchBatch, 3);
    const asked = batcher.fetch(modelOf(), wanted("a"), AbortSignal.abort(new Error("gone")));
    await expect(asked).rejects.toThrow("gone");
    expect([far.calls.length, batcher.waiting()]).toEqual([0, 0]);
  });
});
