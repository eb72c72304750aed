/** Requests sent before the answer to the one before, over sockets: all are answered, in order, and nothing else is. */
import { afterEach, describe, expect, test } from "bun:test";
import { createGate } from "../../../runtime/auth/auth.ts";
import { bodyOf, jsonResponse } from "../../../runtime/bodies/bodies.ts";
import { defaults } from "../../../runtime/config/loading.ts";
import { closed, contract, post, t } from "../../../runtime/contract/endpoints.ts";
import type { Listening } from "../../../runtime/http/listener.ts";
import { createFace } from "../../../runtime/http/serve.ts";
import { type Clock, systemClock } from "../../../runtime/scheduling/clock.ts";
import { createLog } from "../../../runtime/telemetry/log.ts";
import { createMetrics } from "../../../runtime/telemetry/metrics.ts";
import { answersOf, type RawConnection, rawConnection } from "../../support/clients/raw-http.ts";

const MiB = 1024 * 1024;
const echo = contract("echo", {
  echo: post("/echo", {
    summary: "Says it again.",
    body: closed({ text: t.String() }),
    reply: closed({ text: t.String() }),
  }),
});

const running: Listening[] = [];
const connections: RawConnection[] = [];
afterEach(async () => {
  for (const each of connections.splice(0)) each.destroy();
  for (const each of running.splice(0)) await each.close(0);
});

/** A service, what it did in its order, and what holds its answers. */
function door({
  clock = systemClock,
  idleMs,
}: {
  clock?: Pick<Clock, "elapsed" | "after">;
  idleMs?: number;
} = {}) {
  const metrics = createMetrics();
  const face = createFace({
    name: "door",
    gate: createGate(defaults().auth, "127.0.0.1"),
    log: createLog("door", "error", () => {}),
    metrics,
    newId: () => crypto.randomUUID(),
    notReady: () => [],
    clock,
    maxConnections: 1000,
    maxJsonBytes: 1000,
    ...(idleMs !== undefined && { headTimeoutMs: idleMs }),
  });
  const acted: string[] = [];
  const signals: AbortSignal[] = [];
  const held = Promise.withResolvers<void>();
  face.verbs(echo, async (_, input) => {
    acted.push(`echo ${(input as { text: string }).text}`);
    return input;
  });
  face.route("GET", "/text/:name", ({ url }) => {
    acted.push(url.slice(url.lastIndexOf("/") + 1));
    return jsonResponse({ url: url.slice(url.lastIndexOf("/")) });
  });
  face.route("HEAD", "/text/:name", () => new Response(null, { headers: { "content-length": "5" } }));
  face.route("DELETE", "/text/:name", () => new Response(null, { status: 204 }));
  face.route("GET", "/held", async (_, { signal }) => {
    acted.push("held");
    signals.push(signal);
    await held.promise;
    return jsonResponse({ held: true });
  });
  face.route("PUT", "/digest", async (request) => {
    const hash = new Bun.CryptoHasher("sha1");
    for await (const bytes of bodyOf(request) ?? []) hash.update(bytes);
    return jsonResponse({ digest: hash.digest("hex") });
  });
  face.route("GET", "/stream/:bytes", ({ url }) => {
    let left = Number(url.slice(url.lastIndexOf("/") + 1));
    return new Response(
      new ReadableStream({
        pull: (controller) => {
          const bytes = new Uint8Array(Math.min(left, 100_000)).fill(left % 251);
          left -= bytes.length;
          controller.enqueue(bytes);
          if (left === 0) controller.close();
        },
      }),
    );
  });
  face.route("GET", "/large", () => jsonResponse("x".repeat(20 * MiB)));
  face.route("GET", "/broken", () => {
    const first = new Uint8Array(10);
    return new Response(
      new ReadableStream({
        start: (controller) => controller.enqueue(first),
        pull: async (controller) => {
          await held.promise;
          controller.error(new Error("broken"));
        },
      }),
    );
  });
  const listening = face.listen("127.0.0.1", 0);
  running.push(listening);
  const connection = () => {
    const made = rawConnection("127.0.0.1", listening.port);
    connections.push(made);
    return made;
  };
  const open = () => Number(/lakehouse_http_requests_open (\d+)/.exec(metrics.text())?.[1]);
  const begun = async (count: number) => {
    while (acted.length < count) await new Promise((resolve) => setImmediate(resolve));
  };
  return { ...listening, connection, acted, signals, held, open, begun };
}

const head = (method: string, path: string, ...headers: string[]) =>
  `${[`${method} ${path} HTTP/1.1`, "Host: localhost", ...headers].join("\r\n")}\r\n\r\n`;
const last = head("GET", "/text/last", "Connection: close");
const said = (text: string) => {
  const body = JSON.stringify({ text });
  return head("POST", "/echo", "Content-Type: application/json", `Content-Length: ${body.length}`) + body;
};
const sha1 = (bytes: Uint8Array | string) => new Bun.CryptoHasher("sha1").update(bytes).digest("hex");

/** Every kind of request, and what is answered. */
const kinds: [method: string, text: string, answer: unknown][] = [
  ["GET", head("GET", "/text/a"), { url: "/a" }],
  ["POST", said("one"), { text: "one" }],
  ["HEAD", head("HEAD", "/text/b"), ""],
  [
    "PUT",
    `${head("PUT", "/digest", "Transfer-Encoding: chunked")}3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nTrailer: t\r\n\r\n`,
    { digest: sha1("abcde") },
  ],
  ["GET", head("GET", "/stream/250000"), 250_000],
  ["DELETE", head("DELETE", "/text/c"), ""],
  ["GET", head("GET", "/nothing"), 404],
  ["POST", said("two"), { text: "two" }],
  ["PUT", `${head("PUT", "/digest", "Content-Length: 5")}GET /`, { digest: sha1("GET /") }],
  ["PATCH", head("PATCH", "/text/d"), 405],
  ["GET", last, { url: "/last" }],
];
const whole = kinds.map(([, text]) => text).join("");

function expectAll(bytes: Buffer) {
  const answers = answersOf(
    bytes,
    kinds.map(([method]) => method),
  );
  expect(answers.length).toBe(kinds.length);
  for (const [at, [, , answer]] of kinds.entries()) {
    const { status, body } = answers[at] as (typeof answers)[number];
    if (answer === "") expect([at, [200, 204].includes(status), body.length]).toEqual([at, true, 0]);
    else if (typeof answer === "object")
      expect([at, status, JSON.parse(String(body))]).toEqual([at, 200, answer]);
    else if (answer === 404 || answer === 405) expect([at, status]).toEqual([at, answer]);
    else expect([at, status, body.length]).toEqual([at, 200, answer as number]);
  }
}

describe("all are answered, each with its own answer, in their order", () => {
  test("every kind in one packet", async () => {
    const { connection, open, acted } = door();
    const { write, ended } = connection();
    write(whole);
    expectAll(await ended);
    expect(acted).toEqual(["a", "echo one", "echo two", "last"]);
    expect(open()).toBe(0);
  });
  test("every kind, split after any byte", async () => {
    const { connection } = door();
    for (let from = 0; from < whole.length; from += 50)
      await Promise.all(
        Array.from({ length: Math.min(50, whole.length - from) }, async (_, at) => {
          const { write, ended } = connection();
          write(whole.slice(0, from + at));
          await new Promise((resolve) => setImmediate(resolve));
          write(whole.slice(from + at));
          expectAll(await ended);
        }),
      );
  });
  test("every kind, byte by byte", async () => {
    const { connection } = door();
    const { write, ended } = connection();
    for (const byte of whole) {
      write(byte);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expectAll(await ended);
  });
  test("fifty in one packet", async () => {
    const { connection } = door();
    const { write, ended } = connection();
    write(Array.from({ length: 49 }, (_, at) => head("GET", `/text/${at}`)).join("") + last);
    const answers = answersOf(await ended, Array(50).fill("GET"));
    expect(answers.map(({ body }) => JSON.parse(String(body)).url)).toEqual(
      Array.from({ length: 50 }, (_, at) => (at < 49 ? `/${at}` : "/last")),
    );
  });
});

test("one is begun when the one before is answered, so that what it changes is there", async () => {
  const { connection, acted, held, begun } = door();
  const { write, ended } = connection();
  write(head("GET", "/held") + said("after") + last);
  await begun(1);
  await new Promise((resolve) => setImmediate(resolve));
  expect(acted).toEqual(["held"]);
  held.resolve();
  expect(answersOf(await ended, ["GET", "POST", "GET"]).map(({ status }) => status)).toEqual([200, 200, 200]);
  expect(acted).toEqual(["held", "echo after", "last"]);
});

test("whoever goes away gets nothing done any more, and others are answered", async () => {
  const { connection, acted, signals, held, begun, open } = door();
  const { write, destroy } = connection();
  write(head("GET", "/held") + said("never") + head("PUT", "/digest", "Content-Length: 100"));
  await begun(1);
  destroy();
  while (!signals[0]?.aborted) await new Promise((resolve) => setImmediate(resolve));
  held.resolve();
  const other = connection();
  other.write(last);
  expect(answersOf(await other.ended, ["GET"])[0]?.status).toBe(200);
  expect(acted).toEqual(["held", "last"]);
  expect(open()).toBe(0);
});

test("a hundred megabytes come before the next answer, as fast as they are taken", async () => {
  const { connection } = door();
  const { write, ended, paused, resume } = connection();
  write(head("GET", `/stream/${100 * MiB}`) + said("after") + last);
  for (let megabytes = 1; megabytes < 50; megabytes += 10) {
    await paused(megabytes * MiB);
    await new Promise((resolve) => setImmediate(resolve));
    resume();
  }
  const [large, after, end] = answersOf(await ended, ["GET", "POST", "GET"]);
  const right = new Bun.CryptoHasher("sha1");
  for (let left = 100 * MiB; left > 0; left -= 100_000)
    right.update(new Uint8Array(Math.min(left, 100_000)).fill(left % 251));
  expect(sha1(large?.body ?? Buffer.alloc(0))).toBe(right.digest("hex"));
  expect([JSON.parse(String(after?.body)), end?.status]).toEqual([{ text: "after" }, 200]);
});

test("a long body waits for its turn on its way, and arrives whole", async () => {
  const { connection, held, begun } = door();
  const { write, ended } = connection();
  const body = Buffer.from(crypto.getRandomValues(new Uint8Array(65_536)))
    .toString("hex")
    .repeat(160);
  write(head("GET", "/held") + head("PUT", "/digest", `Content-Length: ${body.length}`));
  write(body);
  write(last);
  await begun(1);
  held.resolve();
  const [, digest, end] = answersOf(await ended, ["GET", "PUT", "GET"]);
  expect([JSON.parse(String(digest?.body)), end?.status]).toEqual([{ digest: sha1(body) }, 200]);
});

test("a body that is refused before it is read is none of the next request", async () => {
  const { connection } = door();
  const { write, ended } = connection();
  const body = JSON.stringify({ text: "GET /text/smuggled HTTP/1.1\r\n\r\n".repeat(100_000) });
  const long = head("POST", "/echo", "Content-Type: application/json", `Content-Length: ${body.length}`);
  write(long + body + long + body + last);
  const statuses = answersOf(await ended, ["POST", "POST", "GET"]).map(({ status }) => status);
  expect(statuses).toEqual([413, 413, 200]);
});

describe("Expect: 100-continue", () => {
  const asked = head("PUT", "/digest", "Content-Length: 5", "Expect: 100-continue");
  const statuses = (bytes: Buffer, methods: string[]) =>
    answersOf(bytes, methods).map(({ status }) => status);
  test("is answered when the body is wanted, and in its turn", async () => {
    const { connection, held, begun } = door();
    const { write, ended, came } = connection();
    write(head("GET", "/held") + asked);
    await begun(1);
    held.resolve();
    while (!String(await came(1)).includes("100 Continue"))
      await new Promise((resolve) => setImmediate(resolve));
    write(`abcde${last}`);
    expect(statuses(await ended, ["GET", "PUT", "GET"])).toEqual([200, 100, 200, 200]);
  });
  test("is not where it is not wanted, and what is sent nevertheless is no request", async () => {
    const { connection, acted } = door();
    const { write, ended } = connection();
    write(head("POST", "/echo", "Content-Type: text/css", "Content-Length: 50", "Expect: 100-continue"));
    write(last);
    expect(statuses(await ended, ["POST"])).toEqual([415]);
    expect(acted).toEqual([]);
  });
});

describe("what is no request is refused in the form of all errors, after the answers before it", () => {
  const rows: [string, string, number, string][] = [
    ["an unknown method", "FOO / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "bad_request"],
    [
      "300 headers",
      head("GET", "/text/a", ...Array.from({ length: 300 }, (_, at) => `X-${at}: 1`)),
      431,
      "headers_too_large",
    ],
    ["headers of 2 MiB", head("GET", "/text/a", `X: ${"a".repeat(2 * MiB)}`), 431, "headers_too_large"],
    ["another version", "GET /text/a HTTP/1.7\r\nHost: a\r\n\r\n", 400, "bad_request"],
    ["no HTTP", "hello\r\n\r\n", 400, "bad_request"],
    ["bare line feeds", "GET /text/a HTTP/1.1\nHost: a\n\n", 400, "bad_request"],
    ["a folded header", "GET /text/a HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", 400, "bad_request"],
    ["a space before the colon", "GET /text/a HTTP/1.1\r\nHost : a\r\n\r\n", 400, "bad_request"],
    [
      "both lengths",
      `${head("PUT", "/digest", "Content-Length: 3", "Transfer-Encoding: chunked")}0\r\n\r\n`,
      400,
      "bad_request",
    ],
    [
      "two lengths",
      `${head("PUT", "/digest", "Content-Length: 3", "Content-Length: 4")}abc`,
      400,
      "bad_request",
    ],
    ["a length that is none", `${head("PUT", "/digest", "Content-Length: +3")}abc`, 400, "bad_request"],
    [
      "chunked within",
      `${head("PUT", "/digest", "Transfer-Encoding: chunked, gzip")}0\r\n\r\n`,
      400,
      "bad_request",
    ],
    ["a URL that is not encoded", "GET /text/ü HTTP/1.1\r\nHost: a\r\n\r\n", 400, "bad_request"],
    ["two Hosts", head("GET", "/text/a", "Host: b"), 400, "bad_request"],
    ["no Host", "GET /text/a HTTP/1.1\r\n\r\n", 400, "bad_request"],
  ];
  test.each(rows)("%s", async (name, text, status, type) => {
    const { connection, acted } = door();
    for (const before of ["", head("GET", "/text/before") + said("before")]) {
      acted.length = 0;
      const { write, ended } = connection();
      const isRead = name.endsWith("Host") || name.endsWith("Hosts");
      write(before + text + (isRead ? last : ""));
      const answers = answersOf(await ended, before === "" ? ["GET", "GET"] : ["GET", "POST", "GET", "GET"]);
      const refused = answers[before === "" ? 0 : 2];
      expect(refused?.status).toBe(status);
      expect(JSON.parse(String(refused?.body)).error).toMatchObject({ type, code: status });
      expect(refused?.headers.get("x-request-id")).toBeString();
      if (!isRead) expect(refused?.headers.get("connection")).toBe("close");
      const whole = before === "" ? [] : ["before", "echo before"];
      expect(acted).toEqual(isRead ? [...whole, "last"] : whole);
    }
  });
  test("also when an answer before it takes long", async () => {
    const { connection, held, begun } = door();
    const { write, ended } = connection();
    write(`${head("GET", "/held")}FOO / HTTP/1.1\r\nHost: a\r\n\r\n${last}`);
    await begun(1);
    held.resolve();
    const answers = answersOf(await ended, ["GET", "GET"]);
    expect(answers.map(({ status, headers }) => [status, headers.get("connection")])).toEqual([
      [200, null],
      [400, "close"],
    ]);
  });
  test("a chunk without a length ends the request that it belongs to", async () => {
    const { connection, acted } = door();
    const { write, ended } = connection();
    write(
      `${head("GET", "/text/a") + head("PUT", "/digest", "Transfer-Encoding: chunked")}3\r\nabc\r\nzz\r\n${last}`,
    );
    const [first, second, ...more] = answersOf(await ended, ["GET", "PUT"]);
    expect([first?.status, second?.status, second?.headers.get("connection"), more]).toEqual([
      200,
      400,
      "close",
      [],
    ]);
    expect(acted).toEqual(["a"]);
  });
});

test("more than wait for their turn are not taken: the last answer says that the connection ends", async () => {
  const { connection, acted, held, begun } = door();
  const { write, ended } = connection();
  write(head("GET", "/held") + Array.from({ length: 999 }, (_, at) => head("GET", `/text/${at}`)).join(""));
  await begun(1);
  held.resolve();
  const answers = answersOf(await ended, Array(1000).fill("GET"));
  expect([acted.length, answers.length]).toEqual([257, 257]);
  expect(answers.map(({ headers }) => headers.get("connection")).filter(Boolean)).toEqual(["close"]);
  expect(answers.at(-1)?.headers.get("connection")).toBe("close");
});

test("an answer that breaks off ends the connection, and none is written after it", async () => {
  const { connection, acted, held } = door();
  const { write, ended, came } = connection();
  write(head("GET", "/broken") + said("never"));
  await came(100);
  held.resolve();
  expect(() => answersOf(Buffer.from("HTTP/1.1 200 \r\n"), ["GET"])).toThrow();
  const bytes = await ended;
  expect(() => answersOf(bytes, ["GET", "POST"])).toThrow("a cut chunk");
  expect(acted).toEqual([]);
});

test("a stop answers all that was asked for, and the connection ends", async () => {
  const { connection, held, begun, close, acted } = door();
  const { write, ended } = connection();
  write(head("GET", "/held") + said("one") + head("GET", "/text/two"));
  await begun(1);
  const closing = close(600_000);
  held.resolve();
  const answers = answersOf(await ended, ["GET", "POST", "GET"]);
  expect(answers.map(({ status, headers }) => [status, headers.get("connection")])).toEqual([
    [200, null],
    [200, null],
    [200, "close"],
  ]);
  expect(acted).toEqual(["held", "echo one", "two"]);
  await closing;
});

test("HTTP/1.0 and whoever asks for it are answered once", async () => {
  const { connection, acted } = door();
  for (const text of ["GET /text/a HTTP/1.0\r\n\r\n", head("GET", "/text/a", "Connection: close")]) {
    acted.length = 0;
    const { write, ended } = connection();
    write(text + last);
    expect(answersOf(await ended, ["GET"]).map(({ status }) => status)).toEqual([200]);
    expect(acted).toEqual(["a"]);
  }
});

test("a client that takes nothing of its answer is given up, and one that takes it slowly is not", async () => {
  let now = 0;
  const looks: (() => void)[] = [];
  const after = (_: number, work: () => void) => {
    looks.push(work);
    return () => {};
  };
  const clock = { elapsed: () => now, after };
  const { connection } = door({ clock, idleMs: 1000 });
  const slow = connection();
  slow.write(head("GET", "/large"));
  const stalled = connection();
  stalled.write(head("GET", "/large"));
  await Promise.all([slow.paused(1), stalled.paused(1)]);
  const look = () => looks.splice(0).forEach((work) => void work());
  look();
  now += 900;
  const taken = (await slow.came(1)).length;
  slow.resume();
  await slow.paused(taken + 4 * MiB);
  look();
  now += 900;
  look();
  slow.resume();
  stalled.resume();
  await slow.came(20 * MiB);
  now += 500;
  expect((await stalled.ended).length).toBeLessThan(20 * MiB);
});
