/** The parts of the MCP server that need no process: rows out of a stream, bounds, arguments, failures. */
import { describe, expect, test } from "bun:test";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { createResultCache, type Result } from "../../../api/mcp/answers/result-cache.ts";
import { createRowScanner } from "../../../api/mcp/answers/row-scanner.ts";
import { headingRow, tableRow } from "../../../api/mcp/answers/table.ts";
import { jsonCharsMax, textCharsMax, truncated } from "../../../api/mcp/answers/truncation.ts";
import { readArguments } from "../../../api/mcp/arguments.ts";
import { failureText, refused, unanswered } from "../../../api/mcp/gateway/failure.ts";
import { summaryOf } from "../../../api/mcp/gateway/observation.ts";
import { type DroppedMessage, limitMessages } from "../../../api/mcp/protocol/message-limit.ts";
import { fail } from "../../../runtime/errors/errors.ts";
import { seeded } from "../../support/campaigns/seeded.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

describe("row scanner", () => {
  const random = seeded(11);
  const below = (count: number): number => Math.floor(random() * count);
  const strange = [
    "",
    "a",
    '"',
    "\\",
    '\\"',
    "}",
    "{",
    "],",
    '"rows":[',
    "\n",
    "ü€😀",
    ',"row_count":1',
    "\\\\",
  ];
  const value = (deep = 0): unknown => {
    const kind = below(deep > 2 ? 4 : 6);
    if (kind === 0) return null;
    if (kind === 1) return below(1e6) - 5e5;
    if (kind < 4) return Array.from({ length: below(4) }, () => strange[below(strange.length)]).join("");
    if (kind === 4) return Array.from({ length: below(4) }, () => value(deep + 1));
    return Object.fromEntries(
      Array.from({ length: below(4) }, (_, at) => [
        `${strange[below(strange.length)]}${at}`,
        value(deep + 1),
      ]),
    );
  };

  test("any rows, cut into any pieces, come out whole (400 results)", () => {
    for (let round = 0; round < 400; round++) {
      const names = Array.from({ length: 1 + below(4) }, (_, at) => `${strange[below(strange.length)]}${at}`);
      const rows = Array.from({ length: below(8) }, () =>
        Object.fromEntries(names.map((name) => [name, value()])),
      );
      const columns = names.map((name) => ({ name, type: "VARCHAR" }));
      const end = { row_count: rows.length, truncated: false, elapsed_ms: 1.5, query_id: "q" };
      const text = JSON.stringify({ columns, rows, ...end });
      const scanner = createRowScanner();
      const found: unknown[] = [];
      for (let at = 0; at < text.length; ) {
        const size = 1 + below(round % 2 === 0 ? 3 : 40);
        for (const row of scanner.push(text.slice(at, at + size))) found.push(JSON.parse(row));
        at += size;
      }
      expect(found).toEqual(rows);
      expect(scanner.head()).toEqual({ columns });
      expect(scanner.tail()).toEqual(end);
    }
  });

  test("an answer that broke off has no tail, wherever it broke off", () => {
    const text =
      '{"columns":[{"name":"a","type":"INTEGER"}],"rows":[{"a":1},{"a":2}],"row_count":2,"truncated":false,"elapsed_ms":1,"query_id":"q"}';
    for (let length = 0; length < text.length; length++) {
      const scanner = createRowScanner();
      scanner.push(text.slice(0, length));
      expect(() => scanner.tail()).toThrow();
    }
  });
});

describe("bounds of an answer", () => {
  const line = (text: string) => text;
  test("what fits is kept, the rest is counted", () => {
    const items = Array.from({ length: 100 }, () => "x".repeat(1000));
    const { kept, omitted } = truncated(items, { line, instead: "" });
    expect(kept.length + omitted).toBe(100);
    expect(kept.length).toBe(Math.floor(textCharsMax / 1001));
  });
  test("the structured part counts, too", () => {
    const items = Array.from({ length: 100 }, () => "x".repeat(1000));
    const { kept } = truncated(items, { line: () => "", instead: "" });
    expect(kept.length).toBe(Math.floor(jsonCharsMax / 1003));
  });
  test("a first item over the bound is told with what to do instead; nothing is no failure", () => {
    expect(() => truncated(["x".repeat(jsonCharsMax)], { line, instead: "read it elsewhere" })).toThrow(
      "read it elsewhere",
    );
    expect(truncated([], { line, instead: "" })).toEqual({ kept: [], lines: [], omitted: 0 });
  });
});

/** As of a tool whose names another one lists. */
const failureTextOf = (error: unknown) => failureText(error, "list_things names them.");

describe("cached results", () => {
  const result = (rows: number): Result => ({
    ...{ sql: "s", columns: [], rows: Array.from({ length: rows }, () => "{}"), truncated: false },
    ...{ elapsed_ms: 1, query_id: "q" },
  });
  test("as many of the latest as fit are kept, those used lately longest", () => {
    // Eight of them: 66 bytes for the statement, and 68 for each of three rows.
    const results = createResultCache({ elapsed: () => 0 }, 8 * (66 + 3 * 68));
    const [first = "", ...others] = Array.from({ length: 8 }, () => results.add(result(3), 1));
    expect(results.find(first).offset).toBe(1);
    results.add(result(3), 1);
    expect(results.find(first).offset).toBe(1);
    expect(() => results.find(others[0] ?? "")).toThrow("this cursor leads to no result");
  });
  test("for ten minutes after their last use", () => {
    let now = 0;
    const results = createResultCache({ elapsed: () => now });
    const cursor = results.add(result(3), 2);
    now = 9 * 60_000;
    expect(results.find(cursor).offset).toBe(2);
    now = 18 * 60_000;
    expect(results.find(cursor).offset).toBe(2);
    now = 29 * 60_000;
    expect(() => results.find(cursor)).toThrow("Run the statement again");
  });
  test("a cursor beyond the rows leads nowhere", () => {
    const results = createResultCache({ elapsed: () => 0 });
    const cursor = results.add(result(3), 2);
    for (const wrong of [
      cursor.replace(/2$/, "3"),
      cursor.replace(/2$/, "-1"),
      `${cursor}x`,
      "",
      "x",
      "💥.1",
    ])
      expect(() => results.find(wrong)).toThrow("leads to no result");
  });
});

describe("message limit", () => {
  const through = async (text: string, pieceBytes: number, bytesMax: number) => {
    const dropped: DroppedMessage[] = [];
    const bytes = Buffer.from(text);
    const pieces = Array.from({ length: Math.ceil(bytes.length / pieceBytes) }, (_, at) =>
      bytes.subarray(at * pieceBytes, (at + 1) * pieceBytes),
    );
    let out = "";
    for await (const chunk of Readable.from(pieces).pipe(limitMessages((one) => dropped.push(one), bytesMax)))
      out += chunk;
    return { out, dropped };
  };
  const long = "y".repeat(3000);
  const rows = [
    {
      name: "the id at the end",
      line: `{"method":"a","params":{"id":1,"x":"${long}"},"jsonrpc":"2.0","id":7}`,
      id: 7,
    },
    {
      name: "the id at the beginning",
      line: `{"jsonrpc":"2.0","id":"q-1","method":"a","params":{"x":"${long}"}}`,
      id: "q-1",
    },
    {
      name: "an id inside alone is not taken",
      line: `{"method":"a","params":{"x":"${long}","id":5}}`,
      id: undefined,
    },
    { name: "no id", line: long, id: undefined },
  ];
  test.each(rows)("a line too long is dropped, the others pass: $name", async ({ line, id }) => {
    for (const pieceBytes of [1, 7, 100_000]) {
      const { out, dropped } = await through(`{"a":1}\n${line}\n\n{"b":2}\r\n`, pieceBytes, 1000);
      expect(out).toBe('{"a":1}\n\n{"b":2}\r\n');
      const bytes = line.length + 1;
      const why = `the message has ${bytes} bytes; at most 1000 are taken`;
      expect(dropped).toEqual([{ bytes, why, ...(id !== undefined && { id }) }]);
    }
  });

  test("a message with a number that would be rounded is dropped with the place, the others pass", async () => {
    const line = (number: string) => `{"jsonrpc":"2.0","id":3,"params":{"arguments":{"n":[${number}]}}}\n`;
    const { out, dropped } = await through(
      `${line("1e23")}${line("9007199254740993")}nonsense 1e400\n`,
      9,
      1000,
    );
    expect(out).toBe(`${line("1e23")}nonsense 1e400\n`);
    expect(dropped).toEqual([
      { bytes: 73, id: 3, why: expect.stringContaining("params.arguments.n.0: 9007199254740993 cannot") },
    ]);
  });
});

describe("arguments", () => {
  const home = temporaryDirectory("mcp-arguments");
  const file = (name: string, text: string, mode = 0o600): string => {
    const path = join(home.path, name);
    writeFileSync(path, text);
    chmodSync(path, mode);
    return path;
  };
  const read = (args: string[], env: Record<string, string> = {}) => {
    const settings = readArguments(args, env);
    if (settings === "help") throw new Error("help");
    return { gateway: settings.gateway, token: settings.token() };
  };
  test("the gateway is on this machine unless told; its address is taken as people write it", () => {
    expect(read([])).toEqual({ gateway: "http://127.0.0.1:3110", token: undefined });
    for (const text of ["http://lake:1", "http://lake:1/", "http://lake:1/v1", "http://lake:1/v1/"])
      expect(read(["--gateway", text]).gateway).toBe("http://lake:1");
    expect(read(["--gateway=https://lake.example/base/"]).gateway).toBe("https://lake.example/base");
  });
  test("a token file wins over AUTH_TOKEN, and is read again when it changes", () => {
    const path = file("token", "first\n");
    expect(read([], { AUTH_TOKEN: "env" }).token).toBe("env");
    const settings = readArguments(["--token-file", path], { AUTH_TOKEN: "env" });
    if (settings === "help") throw new Error("help");
    expect(settings.token()).toBe("first");
    file("token", "second");
    expect(settings.token()).toBe("second");
  });
  const refusals: { name: string; args: () => string[]; env?: Record<string, string>; says: string }[] = [
    { name: "a token in the command line", args: () => ["--token", "s3cret"], says: "--token is refused" },
    { name: "the same with =", args: () => ["--token=s3cret"], says: "--token is refused" },
    { name: "an unknown flag", args: () => ["--gatway", "x"], says: "Unknown option '--gatway'" },
    { name: "a stray word", args: () => ["http://x"], says: "Unexpected argument" },
    { name: "no address", args: () => ["--gateway", "3110"], says: "expected --gateway as http://HOST:PORT" },
    { name: "another scheme", args: () => ["--gateway", "ftp://x"], says: "expected --gateway" },
    {
      name: "a password in the address",
      args: () => ["--gateway", "http://u:s3cret@x"],
      says: "without user or password",
    },
    { name: "a query in the address", args: () => ["--gateway", "http://x/?a=1"], says: "without ? and #" },
    {
      name: "a token file that is not there",
      args: () => ["--token-file", "/nonexistent/t"],
      says: "ENOENT",
    },
    { name: "an empty token file", args: () => ["--token-file", file("empty", "\n")], says: "is empty" },
    {
      name: "a token file for all",
      args: () => ["--token-file", file("open", "s3cret", 0o644)],
      says: "chmod 600",
    },
    {
      name: "a token that is none",
      args: () => ["--token-file", file("two", "s3cret s3cret")],
      says: "no token has",
    },
    {
      name: "the same in the environment",
      args: () => [],
      env: { AUTH_TOKEN: "s3cret\ns3cret" },
      says: "no token has",
    },
  ];
  test.each(refusals)("refused: $name", ({ args, env = {}, says }) => {
    let message = "";
    try {
      readArguments(args(), env);
    } catch (cause) {
      message = (cause as Error).message;
    }
    expect(message).toContain(says);
    expect(message).not.toContain("s3cret");
  });
});

describe("failures", () => {
  test("the product's error with its facts, then what to do", () => {
    const body = {
      error: { type: "unauthorized", message: "a token is needed", code: 401, request_id: "r-1" },
    };
    const text = failureTextOf(refused("http://x", 401, JSON.stringify(body)));
    expect(text).toStartWith("a token is needed (unauthorized, status 401, request r-1)\n");
    expect(text).toContain("AUTH_TOKEN");
  });
  test.each(["", "<html>", "null", "[]", '{"error":"no"}', '{"error":{"type":1}}'])(
    "an answer of something else is told as that: %p",
    (body) => {
      expect(failureTextOf(refused("http://x", 502, body))).toContain("is it the gateway's address?");
    },
  );
  test("nobody there", () => {
    const cause = Object.assign(new Error("x"), { code: "ConnectionRefused" });
    const text = failureTextOf(unanswered("http://x:1", "POST", cause));
    expect(text).toContain("the gateway at http://x:1 cannot be reached (ConnectionRefused)");
    expect(text).toContain("bun run supervisor");
  });
  test("a connection that broke may have carried a change out, and could not by a GET", () => {
    const cause = Object.assign(new Error("closed"), { code: "ECONNRESET" });
    expect(failureTextOf(unanswered("http://x:1", "POST", cause))).toContain("may have been carried out");
    expect(failureTextOf(unanswered("http://x:1", "GET", cause))).toContain("cannot be reached (ECONNRESET)");
  });
  test("an unexpected error tells nothing of the inside", () => {
    expect(failureTextOf(new TypeError("secret at /root/x.ts:1"))).not.toContain("secret");
    expect(failureTextOf(fail("not_found", "there is no x"))).toBe(
      "there is no x (not_found)\nCheck the name: list_things names them.",
    );
  });
});

test("table cells keep every character in one line", () => {
  const columns = [
    { name: "a|b", type: "VARCHAR" },
    { name: "n", type: "BIGINT" },
  ];
  expect(headingRow(columns)).toEqual(["| a\\|b (VARCHAR) | n (BIGINT) |", "| --- | --- |"]);
  expect(tableRow(columns, { "a|b": "x|\n\\y", n: null })).toBe("| x\\|\\n\\\\y | NULL |");
  expect(tableRow(columns, { "a|b": { deep: [1] }, n: "9007199254740993" })).toBe(
    '| {"deep":[1]} | 9007199254740993 |',
  );
});

test("summaries of arguments hold no vectors and have a bound", () => {
  expect(summaryOf({ vector: Array.from({ length: 768 }, () => 0.5) })).toBe('{"vector":"[768 numbers]"}');
  expect(summaryOf({ sql: "x".repeat(5000) }).length).toBe(1000);
});
