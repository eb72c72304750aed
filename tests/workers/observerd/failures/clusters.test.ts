/** What makes failures the same, and what is kept of them. */
import { describe, expect, test } from "bun:test";
import type { Operation } from "../../../../workers/observerd/contract.ts";
import { createClusters, isGrowing, ratePerHour } from "../../../../workers/observerd/failures/failures.ts";
import {
  errorClassOf,
  messageOf,
  normaliseEndpoint,
  normaliseMessage,
  signatureOf,
} from "../../../../workers/observerd/failures/signature.ts";
import { seeded } from "../../../support/campaigns/seeded.ts";
import { processorMs } from "../../../support/product/processor-time.ts";

const messages: [name: string, message: string, normalised: string][] = [
  ["a number", "row 17 of 1,204 failed after 2.5 s", "row <n> of <n> failed after <n> s"],
  ["a number in a word", "worker w1234 left", "worker w<n> left"],
  ["a signed and an exponential number", "got -3 and 1e-9", "got <n> and <n>"],
  ["a uuid", "no job 0f8fad5b-d9cb-469f-a165-70867728950e", "no job <uuid>"],
  ["hex", "object deadbeef01 is not cafe0123456789ab", "object <hex> is not <hex>"],
  ["hex with 0x", "fault at 0x7ffE", "fault at <hex>"],
  ["words of hex letters stay", "the facade was defaced", "the facade was defaced"],
  ["double quotes", 'no dataset "Workers 2"', "no dataset <quoted>"],
  ["escaped quotes inside", 'bad value "a \\" b" here', "bad value <quoted> here"],
  ["single quotes", "column 'state' of 'w 1'", "column <quoted> of <quoted>"],
  ["backquotes", "table `a.b`", "table <quoted>"],
  ["an apostrophe", "can't open it, don't ask", "can't open it, don't ask"],
  ["a path", "cannot read /var/lib/lake/a-1.parquet now", "cannot read <path> now"],
  ["a path relative", "cannot read ./data/x.csv", "cannot read <path>"],
  ["a Windows path", "cannot read C:\\Users\\ann\\x.csv", "cannot read <path>"],
  ["a root file", "cannot read /data", "cannot read <path>"],
  ["a fraction is no path", "1/2 of the rows", "<n>/<n> of the rows"],
  ["a URL", "GET https://api.example.com/v1/chat?x=1 failed", "GET <url> failed"],
  ["an address of mail", "unknown user ann.b+x@example.co.uk", "unknown user <email>"],
  ["IPv4 with a port", "connect ECONNREFUSED 127.0.0.1:11434", "connect ECONNREFUSED <ip>"],
  ["IPv6", "connect to fe80::1:2:3 failed", "connect to <ip> failed"],
  ["an ISO time", "expired at 2026-01-31T10:11:12.345Z", "expired at <time>"],
  ["an ISO time with an offset", "at 2026-01-31 10:11:12+02:00 already", "at <time> already"],
  ["a date", "no data for 2026-01-31", "no data for <time>"],
  ["a date with slashes", "no data for 31/12/2025", "no data for <time>"],
  ["a time", "late since 23:59:59", "late since <time>"],
  ["a date in words", "expired Sat, 31 Jan 2026 10:11:12 GMT", "expired <time>"],
  ["an opaque id", "request req_011CSHoEeqs5C35K2UUqR7Fy failed", "request <id> failed"],
  ["white space", "  a \t b\n\n c ", "a b c"],
  ["nothing", "", ""],
];

describe("a message", () => {
  test.each(messages)("with %s", (_, message, normalised) => {
    expect(normaliseMessage(message)).toBe(normalised);
  });

  test("is the same when it is normalised again, and never takes long", async () => {
    const random = seeded(4);
    const parts = [..."aZ09/\\'\"`.:-_@ \n<>", "http://", "2026-01-31", "0x", "C:\\", "can't", "::"];
    for (let round = 0; round < 300; round++) {
      const text = Array.from({ length: 400 }, () => parts[Math.floor(random() * parts.length)]).join("");
      const once = normaliseMessage(text);
      expect(once.length).toBeLessThanOrEqual(300);
      expect(once).not.toMatch(/\d/);
    }
    for (const part of parts) {
      expect(await processorMs(() => normaliseMessage(part.repeat(100_000)))).toBeLessThan(2000);
    }
  });
});

const classes: [name: string, operation: Pick<Operation, "error" | "attributes">, errorClass: string][] = [
  ["the attribute", { error: "TypeError: x", attributes: { "error.type": "timeout" } }, "timeout"],
  ["an attribute of another kind is none", { error: "x", attributes: { "error.type": 7 } }, "error"],
  ["the type of a JSON error", { error: '{"error":{"type":"sql_error","message":"m"}}' }, "sql_error"],
  ["a name that leads", { error: "TypeError: x is undefined" }, "TypeError"],
  ["a name with its package", { error: "java.io.IOException: closed" }, "IOException"],
  ["a status", { error: "upstream answered HTTP 503" }, "http_503"],
  ["a status in words", { error: "Request failed with status code 429" }, "http_429"],
  [
    "a Python traceback",
    { error: "Traceback (most recent call last):\n  File x\nValueError: bad" },
    "ValueError",
  ],
  ["no name", { error: "it broke" }, "error"],
  ["no text", {}, "none"],
  ["only blanks", { error: "  " }, "none"],
  ["broken JSON", { error: '{"error":' }, "error"],
  ["JSON that is no error", { error: "{}" }, "error"],
];
test.each(classes)("class by %s", (_, operation, errorClass) => {
  expect(errorClassOf(operation)).toBe(errorClass);
});

const wordings: [error: string, message: string][] = [
  ['{"error":{"message":"no dataset named x"}}', "no dataset named x"],
  ['{"error":"too late"}', "too late"],
  ['{"message":"plain"}', "plain"],
  ["first\n    at f (x.ts:1)\n    at g", "first"],
  ["Traceback (most recent call last):\n  File x, line 1\nKeyError: 'a'", "KeyError: 'a'"],
];
test.each(wordings)("the message of %j", (error, message) => {
  expect(messageOf(error)).toBe(message);
});

const endpoints: [endpoint: string, normalised: string][] = [
  ["/v1/sql", "/v1/sql"],
  ["/v1/jobs/17", "/v1/jobs/<n>"],
  ["/jobs/0f8fad5b-d9cb-469f-a165-70867728950e/events", "/jobs/<uuid>/events"],
  ["/objects/deadbeef01", "/objects/<hex>"],
  ["/v1/list?page=3", "/v1/list"],
  ["query_sql", "query_sql"],
];
test.each(endpoints)("endpoint %s", (endpoint, normalised) => {
  expect(normaliseEndpoint(endpoint)).toBe(normalised);
});

test("a signature is of all three, and of nothing else", () => {
  const base = { endpoint: "/a", error: "TypeError: row 1" };
  const { signature } = signatureOf(base);
  expect(signature).toMatch(/^[0-9a-f]{16}$/);
  expect(signatureOf({ ...base, error: "TypeError: row 2" }).signature).toBe(signature);
  for (const other of [
    { ...base, endpoint: "/b" },
    { ...base, error: "RangeError: row 1" },
    { ...base, error: "TypeError: column 1" },
    { ...base, attributes: { "error.type": "x" } },
  ])
    expect(signatureOf(other).signature).not.toBe(signature);
});

const rates: [count: number, hours: number, rate: number][] = [
  [1, 0, 1],
  [30, 0.5, 30],
  [30, 1, 30],
  [30, 3, 10],
];
test.each(rates)("%d failures in %d hours are %d an hour", (count, hours, rate) => {
  expect(ratePerHour(count, 0, hours * 3_600_000)).toBe(rate);
});

test("growing needs three, and half as many again", () => {
  const rows = [
    [2, 0],
    [3, 0],
    [3, 2],
    [4, 2],
    [100, 80],
  ] as const;
  expect(rows.map(([now, before]) => isGrowing(now, before))).toEqual([false, true, false, true, false]);
});

describe("clusters", () => {
  const start = Date.parse("2026-01-01T00:00:00Z");
  const failure = (endpoint: string, ms = 0, more: Partial<Operation> = {}): Operation => ({
    id: `${endpoint} ${ms}`,
    timestamp: new Date(start + ms).toISOString(),
    source: "mcp",
    endpoint,
    success: false,
    duration_ms: 1,
    ...more,
  });
  const made = (clustersMax = 100) => createClusters({ clustersMax, windowMs: 1000 });

  test("are bounded: the least recently seen leaves, and is counted", () => {
    const clusters = made(3);
    for (const endpoint of ["/a", "/b", "/c", "/a", "/d"]) clusters.add(failure(endpoint));
    expect(
      clusters
        .list(start)
        .map(({ endpoint }) => endpoint)
        .sort(),
    ).toEqual(["/a", "/c", "/d"]);
    expect(clusters.dropped()).toBe(1);
  });

  test("count what is recent in a window that moves, whatever the order of times", () => {
    const clusters = made();
    for (const ms of [900, 100, 500, 86_000_000, 2500, 2600]) clusters.add(failure("/a", ms));
    const at = (ms: number) => clusters.list(start + ms)[0]?.recent;
    expect([at(0), at(1000), at(1700), at(2600), at(9000)]).toEqual([0, 3, 1, 2, 0]);
    const [cluster] = clusters.list(start);
    expect([cluster?.first_seen, cluster?.last_seen]).toEqual([
      failure("/a", 100).timestamp,
      failure("/a", 86_000_000).timestamp,
    ]);
  });

  test("grow when the window holds more than the one before", () => {
    const clusters = made();
    for (const ms of [100, 200, 1900, 1910, 1920, 1930]) clusters.add(failure("/a", ms));
    expect(clusters.list(start + 2000)[0]?.growing).toBe(true);
    expect(clusters.list(start + 4000)[0]?.growing).toBe(false);
  });

  test("keep five short examples, also when what failed was long", () => {
    const clusters = made();
    const attributes = { long: "x".repeat(5000) };
    for (let ms = 0; ms < 9; ms++) clusters.add(failure("/a", ms, { error: "e".repeat(60_000), attributes }));
    const [cluster] = clusters.list(start);
    expect(cluster?.examples.map(({ id }) => id)).toEqual([8, 7, 6, 5, 4].map((ms) => `/a ${ms}`));
    expect(JSON.stringify(clusters.checkpoint()).length).toBeLessThan(12_000);
  });

  test("are the same after a checkpoint, escalation and diagnosis too", () => {
    const clusters = made(3);
    for (const endpoint of ["/a", "/b", "/b", "/c", "/d"]) clusters.add(failure(endpoint));
    const [first] = clusters.list(start);
    clusters.escalate(first?.signature ?? "", "2026-01-01T00:00:00.000Z");
    clusters.diagnose(first?.signature ?? "", "the disk");
    clusters.escalate("0000000000000000", "2026-01-01T00:00:00.000Z");
    const restored = made(3);
    restored.restore(JSON.parse(JSON.stringify(clusters.checkpoint())));
    expect(restored.list(start)).toEqual(clusters.list(start));
    expect(restored.list(start)[0]).toMatchObject({ diagnosis: "the disk", endpoint: "/b" });
    expect(restored.dropped()).toBe(1);
  });
});
