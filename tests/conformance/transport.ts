/** What every transport between services must do alike: one suite, run on local, port and HTTP. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { ClientOf } from "../../runtime/contract/endpoints.ts";
import { ServiceError } from "../../runtime/errors/errors.ts";
import type { Echo } from "../fixtures/runtime/echo.ts";

export interface Connected {
  verbs: ClientOf<Echo>;
  stop: () => Promise<void> | void;
}

const refusal = async (call: Promise<unknown>): Promise<ServiceError> => {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ServiceError);
  return error as ServiceError;
};

const values: [name: string, value: unknown][] = [
  ["null", null],
  ["text", "päper 🏗 \u0000 \ud83d"],
  ["numbers", [0, -0.5, 1e308, Number.MAX_SAFE_INTEGER]],
  ["not finite", [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]],
  ["bigint", [2n ** 63n, -(2n ** 70n)]],
  ["bytes", new Uint8Array([0, 255, 1])],
  ["floats", new Float32Array([1.5, Number.NaN, -0])],
  ["doubles after bytes", [new Uint8Array(3), new Float64Array([Math.PI])]],
  ["nested", { a: [{ b: { c: [1, "2", null, true] } }], $: { v: 1 }, "": 0 }],
  ["empty", [{}, [], "", new Uint8Array()]],
  ["a field named __proto__", JSON.parse('{"__proto__":{"polluted":true}}')],
];

/** A typed array as its class and bytes: equality of arrays would not tell NaN and -0 apart. */
const plain = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(plain);
  if (!ArrayBuffer.isView(value)) return value;
  return [
    value.constructor.name,
    Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("hex"),
  ];
};

/** Registers the suite for one way to reach the echo service. */
export function testTransport(name: string, connect: () => Promise<Connected>): void {
  describe(`transport ${name}`, () => {
    let verbs: ClientOf<Echo>;
    let stop: Connected["stop"];
    beforeAll(async () => {
      ({ verbs, stop } = await connect());
    });
    afterAll(() => stop());

    for (const [what, value] of values) {
      test(`carries ${what}`, async () => {
        const back = (await verbs.values({ value })).value;
        expect(plain(back)).toEqual(plain(value));
        expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
      });
    }
    test("hands over a buffer without a copy on the way", async () => {
      const bytes = new Uint8Array(100_000).fill(7);
      const { bytes: back } = await verbs.vector({ bytes }, { transfer: [bytes.buffer] });
      expect(back.length).toBe(100_000);
      expect(back[99_999]).toBe(7);
    });
    test("keeps the order of many calls at once", async () => {
      const replies = await Promise.all(
        Array.from({ length: 200 }, (_, at) => verbs.say({ text: `${at} ` })),
      );
      expect(replies.map(({ text }) => Number(text))).toEqual(Array.from({ length: 200 }, (_, at) => at));
    });
    failures(() => verbs);
    aborts(() => verbs);
  });
}

function failures(verbs: () => ClientOf<Echo>): void {
  test("an error keeps type, message, status, details and retry-after, not its cause", async () => {
    const error = await refusal(verbs().refuse({}));
    expect(error).toMatchObject({
      type: "conflict",
      message: "it is refused",
      status: 409,
      details: { why: ["a", 1] },
      retryAfterSeconds: 7,
    });
    expect(JSON.stringify(error)).not.toContain("private");
  });
  test("an unexpected error is a bare internal one", async () => {
    expect(await refusal(verbs().break({}))).toMatchObject({
      type: "internal",
      message: "internal error",
      status: 500,
    });
  });
  test("input is checked on the serving side", async () => {
    expect(await refusal(verbs().say({ text: 5 } as never))).toMatchObject({ type: "invalid_field" });
    expect(await refusal(verbs().say({ text: "a", extra: 1 } as never))).toMatchObject({
      type: "unknown_field",
      status: 400,
    });
  });
  test("a raw endpoint and an unknown name are no calls", async () => {
    const any = verbs() as unknown as Record<string, unknown>;
    expect(any.stream).toBeUndefined();
    expect(any.constructor).not.toBe((any as { say: unknown }).say);
  });
  test("the same idempotency key runs once; another request under it is refused", async () => {
    const key = crypto.randomUUID();
    const first = await verbs().count({}, { idempotencyKey: key });
    expect(await verbs().count({}, { idempotencyKey: key })).toEqual(first);
    expect((await verbs().count({})).runs).toBe(first.runs + 1);
    expect(await refusal(verbs().say({ text: "other" }, { idempotencyKey: key }))).toMatchObject({
      type: "idempotency_conflict",
      status: 409,
    });
  });
}

function aborts(verbs: () => ClientOf<Echo>): void {
  const stopped = async (atLeast: number) => {
    while ((await verbs().stopped({})).count < atLeast) await Bun.sleep(1);
  };
  test("a caller that goes away stops the work", async () => {
    const { count } = await verbs().stopped({});
    const controller = new AbortController();
    const call = refusal(verbs().wait({}, { signal: controller.signal }));
    await verbs().say({ text: "the wait has begun" });
    controller.abort();
    expect((await call).type).toBe("client_closed");
    await stopped(count + 1);
  });
  test("a deadline ends the call and the work", async () => {
    const { count } = await verbs().stopped({});
    const error = await refusal(verbs().wait({}, { timeoutMs: 50 }));
    expect(error).toMatchObject({ type: "deadline_exceeded", status: 504 });
    await stopped(count + 1);
  });
  test("a call that was given up before it began does nothing", async () => {
    const { runs } = await verbs().count({});
    expect((await refusal(verbs().count({}, { signal: AbortSignal.abort() }))).type).toBe("client_closed");
    expect((await verbs().count({})).runs).toBe(runs + 1);
  });
}
