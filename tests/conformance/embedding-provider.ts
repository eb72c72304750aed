/** What every embedding provider must do alike: one suite, run on the embedded model and on servers. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { checkAnswer } from "../../workers/embedd/embedding/answer-check.ts";
import { type EmbedCall, type Provider, TextTooLong } from "../../workers/embedd/providers/provider.ts";

export interface ProviderUnderTest {
  provider: Provider;
  /** A model that works, as the provider calls it. */
  model: string;
  dimension: number;
  /** A text that the model's window does not take; absent when it takes every text. */
  tooLong?: string;
  stop: () => Promise<void>;
}

/** Registers the suite. */
export function testEmbeddingProvider(name: string, make: () => Promise<ProviderUnderTest>): void {
  describe(`provider ${name}`, () => {
    let subject: ProviderUnderTest;
    beforeAll(async () => {
      subject = await make();
    });
    afterAll(() => subject.stop());

    const call = (texts: readonly string[], more: Partial<EmbedCall> = {}) =>
      subject.provider.embed({ name: subject.model, texts, signal: new AbortController().signal, ...more });
    const vectors = async (texts: readonly string[]) => {
      const expected = { model: name, count: texts.length, dimension: subject.dimension };
      return checkAnswer((await call(texts)).vectors, expected);
    };
    const numbers = async (texts: readonly string[]) => (await vectors(texts)).map((vector) => [...vector]);

    test("gives one vector a text, of length 1, in their order", async () => {
      const texts = ["welder", "registered nurse", "forklift operator"];
      const together = await numbers(texts);
      for (const vector of together) expect(Math.hypot(...vector)).toBeCloseTo(1, 5);
      const alone = [];
      for (const text of texts) alone.push(...(await numbers([text])));
      expect(together).toEqual(alone);
      expect(await numbers(texts.toReversed())).toEqual(alone.toReversed());
    });

    test("gives equal texts equal vectors, and different texts different ones", async () => {
      const [first, again, other] = await numbers(["welder", "welder", "welders"]);
      expect(again).toEqual(first as number[]);
      expect(other).not.toEqual(first as number[]);
    });

    test("takes as many texts as its limits say", async () => {
      const texts = Array.from({ length: subject.provider.limits.texts }, (_, at) => `candidate ${at}`);
      const all = await numbers(texts);
      expect(all.at(-1)).toEqual((await numbers(texts.slice(-1)))[0] as number[]);
    });

    test("takes any script, signs, control characters and quotes", async () => {
      const texts = [
        "日本語の文章",
        "Ünïcødé Straße",
        "👩‍🏭🔧",
        "!!!",
        'a "b" \\ c',
        "line\nbreak\ttab",
        "\u0001",
        "مرحبا",
      ];
      expect((await vectors(texts)).length).toBe(texts.length);
    });

    test("many calls at once do not mix", async () => {
      const texts = Array.from({ length: 20 }, (_, at) => `person ${at} `.repeat(at + 1).trim());
      const alone = [];
      for (const text of texts) alone.push(...(await numbers([text])));
      expect(await Promise.all(texts.map(async (text) => (await numbers([text]))[0]))).toEqual(alone);
    });

    test("stops with the reason of its signal, and works afterwards", async () => {
      const controller = new AbortController();
      const long = Array.from({ length: 200 }, (_, at) => `word${at} `.repeat(4000));
      const stopped = call(subject.tooLong ? ["welder"] : long, { signal: controller.signal });
      controller.abort(new Error("enough"));
      await expect(stopped).rejects.toThrow("enough");
      expect((await vectors(["welder"])).length).toBe(1);
    });

    test("says which models there are", async () => {
      const known = (await subject.provider.models(new AbortController().signal)).map(({ name }) => name);
      expect(known.some((model) => model.replace(/:latest$/, "") === subject.model)).toBe(true);
    });

    test("never cuts a text that is too long", async () => {
      const { tooLong } = subject;
      if (tooLong !== undefined) return expect(call(["short", tooLong])).rejects.toBeInstanceOf(TextTooLong);
      const start = "begin ".repeat(20_000);
      const [one, two] = await numbers([`${start} welder`, `${start} nurse`]);
      expect(two).not.toEqual(one as number[]);
    });
  });
}
