/** Endpoint tests as rows: what is sent, and what must and must not come back. */
import { expect, test } from "bun:test";
import { type ErrorType, errorStatus } from "../../../runtime/errors/errors.ts";

export interface ApiCase {
  name: string;
  method?: string;
  /** Path with query, as `/sql?shape=full`. */
  path: string;
  headers?: Record<string, string>;
  /** A string, bytes, a FormData or a stream; an object is sent as JSON. */
  body?: BodyInit | Record<string, unknown> | unknown[] | undefined;
  /** By default that of the error's type. */
  status?: number;
  /** The error's stable type. */
  type?: string;
  /** Of a door with OpenAI's form of errors: its code, and its status where that is another. */
  openAi?: { code?: string; status?: number } | true | undefined;
  /** Text the answer must contain. */
  contains?: string[];
  /** Text the answer must not contain. */
  lacks?: string[];
  /** Headers the answer must have. */
  expectHeaders?: Record<string, string>;
  /** Further checks on the parsed or raw answer. */
  check?: (response: {
    status: number;
    headers: Headers;
    text: string;
    json: () => unknown;
  }) => void | Promise<void>;
}

/** Paths, stacks and secrets that no answer may ever hold. */
const neverInAnswers = ["node_modules", "    at ", "/root/", ".ts:"];

/** Sends requests to a face: `(request) => face.fetch(request)`, or `fetch` against a base URL. */
export type Send = (request: Request) => Promise<Response>;

const isPlain = (body: unknown): body is Record<string, unknown> | unknown[] =>
  Array.isArray(body) ||
  (typeof body === "object" && body !== null && Object.getPrototypeOf(body) === Object.prototype);

/** What a row expects of an error of the type: `says("conflict")("a taken name")`. */
export const says =
  (type: string) =>
  (...contains: string[]) => ({ type, contains });

/** A row for what is refused: the request, the error's type and what its answer contains. */
export const refused = <R extends object>(name: string, request: R, type: string, ...contains: string[]) => ({
  name,
  ...request,
  type,
  contains,
});

/** Builds the request of a row. */
export function requestOf(
  { method = "GET", path, headers = {}, body }: ApiCase,
  base = "http://localhost",
): Request {
  const sent = isPlain(body) ? JSON.stringify(body) : body;
  const all = isPlain(body) ? { "content-type": "application/json", ...headers } : headers;
  return new Request(`${base}${path}`, {
    method,
    headers: all,
    ...(sent !== undefined && { body: sent }),
    duplex: "half",
  } as RequestInit);
}

/** Runs one row. */
export async function runCase(row: ApiCase, send: Send, base?: string): Promise<void> {
  const response = await send(requestOf(row, base));
  const text = await response.text();
  const openAi = row.openAi === true ? {} : row.openAi;
  const own = row.status ?? (row.type === undefined ? 200 : errorStatus[row.type as ErrorType]);
  const status = openAi?.status ?? own;
  expect(`${response.status} ${text}`).toStartWith(`${status} `);
  if (status >= 400) {
    const { error } = JSON.parse(text);
    if (openAi) expectOpenAi(error, status, openAi.code ?? openAiCodes[row.type ?? ""] ?? row.type);
    else expect(error.code).toBe(own);
    expect(typeof error.message).toBe("string");
    expect(response.headers.get("x-request-id") ?? error.request_id).toBe(error.request_id);
    if (row.type !== undefined && !openAi) expect(error.type).toBe(row.type);
  }
  for (const part of row.contains ?? []) expect(text).toContain(part);
  for (const part of [...neverInAnswers, ...(row.lacks ?? [])]) expect(text).not.toContain(part);
  for (const [name, value] of Object.entries(row.expectHeaders ?? {}))
    expect(response.headers.get(name)).toBe(value);
  await row.check?.({
    status: response.status,
    headers: response.headers,
    text,
    json: () => JSON.parse(text),
  });
}

/** How OpenAI calls what our types call otherwise. */
const openAiCodes: Record<string, string> = {
  invalid_field: "invalid_value",
  unknown_field: "unknown_parameter",
  not_found: "model_not_found",
  too_many_requests: "rate_limit_exceeded",
  overloaded: "server_overloaded",
};

/** OpenAI's form: `code` is text, `param` the field or null, `type` one of few. */
export function expectOpenAi(error: Record<string, unknown>, status: number, code?: string): void {
  expect(typeof error.code).toBe("string");
  if (code !== undefined) expect(error.code).toBe(code);
  expect(error.param === null || typeof error.param === "string").toBe(true);
  const type = status >= 500 ? "server_error" : status === 429 ? "rate_limit_error" : "invalid_request_error";
  expect(error.type).toBe(error.code === "insufficient_quota" ? "insufficient_quota" : type);
}

/** Registers one test a row. `send` is asked for when the test runs, so that `beforeAll` may make it. */
export function runCases(rows: readonly ApiCase[], send: () => Send, base?: () => string): void {
  for (const row of rows) test(row.name, () => runCase(row, send(), base?.()));
}
