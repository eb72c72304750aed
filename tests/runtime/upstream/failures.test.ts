/** What answers of other servers mean. */
import { expect, test } from "bun:test";
import {
  hostOf,
  isNobodyThere,
  passedOnSeconds,
  quoted,
  retryAfterMs,
} from "../../../runtime/upstream/upstream.ts";

test("reads Retry-After as seconds and as a date, and passes on whole seconds", () => {
  const clock = { now: () => Date.parse("2026-01-01T00:00:00Z") };
  const rows: [string | undefined, number | undefined][] = [
    ["3", 3000],
    ["0.5", 500],
    ["Thu, 01 Jan 2026 00:00:10 GMT", 10_000],
    ["Wed, 31 Dec 2025 00:00:00 GMT", 0],
    ["soon", undefined],
    ["-1", undefined],
    [undefined, undefined],
  ];
  for (const [text, ms] of rows)
    expect(retryAfterMs(new Headers(text === undefined ? {} : { "retry-after": text }), clock)).toBe(
      ms as number,
    );
  expect([undefined, 0, 200, 1001, 1e9].map((ms) => passedOnSeconds(ms))).toEqual([1, 1, 1, 2, 86_400]);
});

test("what OpenAI asks for in milliseconds comes first; nonsense there is passed over", () => {
  const wait = (headers: Record<string, string>) => retryAfterMs(new Headers(headers), { now: () => 0 });
  expect(wait({ "retry-after-ms": "120.5", "retry-after": "9" })).toBe(120.5);
  expect(wait({ "retry-after-ms": "soon", "retry-after": "9" })).toBe(9000);
});

test("a server's words are one short line without markup, marks or keys", () => {
  const words = `<html><b>no\n\u0000 way</b> sk-abcdefghijklmnop ${"long ".repeat(200)} secret`;
  const line = quoted(words, "secret");
  expect(line).toStartWith("no way [hidden] long");
  expect(line.length).toBeLessThanOrEqual(301);
  expect(quoted("the key is s3cr3t-value", "s3cr3t-value")).toBe("the key is [hidden]");
});

test("a URL is shown without what may be secret in it", () => {
  expect(hostOf("https://user:password@models.example:8443/v1?key=secret")).toBe("models.example:8443");
});

test("nobody there is told from a connection that broke off", async () => {
  const nobody = await fetch("http://127.0.0.1:1/").catch((cause: unknown) => cause);
  const server = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: { data: (socket) => void socket.end() },
  });
  const broken = await fetch(`http://127.0.0.1:${server.port}/`).catch((cause: unknown) => cause);
  server.stop(true);
  expect([isNobodyThere(nobody), isNobodyThere(broken)]).toEqual([true, false]);
  expect([isNobodyThere(null), isNobodyThere("ECONNREFUSED"), isNobodyThere(new Error("x"))]).toEqual([
    false,
    false,
    false,
  ]);
});
