/** W3C Trace Context: which headers say a trace, and what becomes of it in work. */
import { describe, expect, test } from "bun:test";
import {
  currentTrace,
  inSpan,
  inTrace,
  type Span,
  traceHeaders,
  traceOf,
} from "../../../runtime/trace-context/trace-context.ts";

const id = "4bf92f3577b34da6a3ce929d0e0e4736";
const span = "00f067aa0ba902b7";

describe("traceparent", () => {
  const rows: [what: string, header: string | null, sampled: boolean | undefined][] = [
    ["sampled", `00-${id}-${span}-01`, true],
    ["not sampled", `00-${id}-${span}-00`, false],
    ["other flags", `00-${id}-${span}-03`, true],
    ["a later version, with more behind", `01-${id}-${span}-01-more`, true],
    ["none", null, undefined],
    ["empty", "", undefined],
    ["more behind version 00", `00-${id}-${span}-01-more`, undefined],
    ["version ff", `ff-${id}-${span}-01`, undefined],
    ["a trace of zeros", `00-${"0".repeat(32)}-${span}-01`, undefined],
    ["a span of zeros", `00-${id}-${"0".repeat(16)}-01`, undefined],
    ["capitals", `00-${id.toUpperCase()}-${span}-01`, undefined],
    ["too short", `00-${id}-${span.slice(1)}-01`, undefined],
    ["no flags", `00-${id}-${span}`, undefined],
    ["words", "hello", undefined],
  ];
  test.each(rows)("%s", (_, header, sampled) => {
    expect(traceOf(header)).toEqual(
      sampled === undefined ? (undefined as never) : { traceId: id, spanId: span, sampled },
    );
  });
  test("tracestate is passed on as it came, unless it is too long or no text", () => {
    const headers = (state: string) => inTrace(traceOf(`00-${id}-${span}-01`, state), traceHeaders);
    expect(headers("a=1,b=2")).toEqual({ traceparent: `00-${id}-${span}-01`, tracestate: "a=1,b=2" });
    for (const state of ["x".repeat(513), "a=\u0001"])
      expect(headers(state)).toEqual({ traceparent: `00-${id}-${span}-01` });
  });
});

test("outside of a trace there is none, and work of two at once keeps each its own", async () => {
  expect([currentTrace(), traceHeaders()]).toEqual([undefined, undefined]);
  const turns = Promise.withResolvers<void>();
  const seen = ["a", "b"].map((digit) =>
    inTrace({ traceId: digit.repeat(32), spanId: span, sampled: true }, async () => {
      await turns.promise;
      return currentTrace()?.traceId[0];
    }),
  );
  turns.resolve();
  expect(await Promise.all(seen)).toEqual(["a", "b"]);
});

test("a span is below the work's, its error is a type and no message", async () => {
  const spans: Span[] = [];
  const trace = { traceId: id, spanId: span, sampled: true, record: (one: Span) => spans.push(one) };
  const failing = inSpan(trace, { name: "outer", kind: "server" }, () =>
    inSpan(currentTrace(), { name: "inner", kind: "client" }, async () => {
      throw Object.assign(new Error("the secret of Ann"), { type: "not_found" });
    }),
  );
  await expect(failing).rejects.toThrow("Ann");
  const [inner, outer] = spans;
  expect(outer).toMatchObject({ name: "outer", parentId: span, error: "not_found" });
  expect(inner).toMatchObject({ name: "inner", parentId: outer?.spanId, traceId: id });
  expect(JSON.stringify(spans)).not.toContain("Ann");
});
