/** What is tried again: only what was not done, or may be done twice. */
import { expect, test } from "bun:test";
import {
  createClient,
  LakehouseError,
  type RequestOptions,
} from "../../../api/client/lakehouse/lakehouse.ts";

/** Answers each request with the next of these; `cut` ends the connection instead. */
type Answer = "cut" | "cut body" | { status: number; headers?: Record<string, string>; type?: string };
const ok: Answer = { status: 200 };
const later: Answer = { status: 503, type: "overloaded", headers: { "retry-after": "0" } };
const bodies: Record<number, string> = { 200: '{"deleted":true,"uid":"x","datasets":[]}' };

async function serving(answers: readonly Answer[], work: (url: string) => Promise<unknown>) {
  let requests = 0;
  const listener = Bun.listen<{ text: string }>({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      open: (socket) => {
        socket.data = { text: "" };
      },
      data: (socket, bytes) => {
        socket.data.text += bytes.toString("latin1");
        if (!/\r\n\r\n/.test(socket.data.text)) return;
        socket.data.text = "";
        const answer = answers[Math.min(requests++, answers.length - 1)] ?? ok;
        if (answer === "cut") return void socket.terminate();
        const { status, headers = {}, type = "internal" } = answer === "cut body" ? { status: 200 } : answer;
        const body = bodies[status] ?? JSON.stringify({ error: { type, message: "no", request_id: "r" } });
        const lines = Object.entries({ "content-type": "application/json", ...headers }).map((pair) =>
          pair.join(": "),
        );
        const length = body.length + (answer === "cut body" ? 10 : 0);
        socket.write(
          [`HTTP/1.1 ${status} X`, ...lines, `content-length: ${length}`, "connection: close", "", body].join(
            "\r\n",
          ),
        );
        socket.end();
      },
    },
  });
  try {
    const outcome = await work(`http://127.0.0.1:${listener.port}`).then(
      () => "ok",
      (cause) => (cause instanceof LakehouseError ? cause.type : String(cause)),
    );
    return { outcome, requests };
  } finally {
    listener.stop(true);
  }
}

const list = (url: string) => createClient({ url }).catalogd.list();
const change = (options?: RequestOptions) => (url: string) =>
  createClient({ url }).catalogd.drop({ name: "x" }, options);
const key = { idempotencyKey: "one" };
const upload = (body: () => BodyInit) => (url: string) =>
  createClient({ url }).load({ name: "x" }, body(), key);
const streamed = () => new Blob(["a\n1\n"]).stream();

const rows: [
  what: string,
  answers: Answer[],
  work: (url: string) => Promise<unknown>,
  outcome: string,
  requests: number,
][] = [
  ["a question that is refused for now", [later, later, ok], list, "ok", 3],
  ["a change that is refused for now: nothing was done", [later, ok], change(), "ok", 2],
  ["no more than three further tries", [later], list, "overloaded", 4],
  ["503 without Retry-After", [{ status: 503, type: "unavailable" }, ok], list, "unavailable", 1],
  [
    "a Retry-After that is too long",
    [{ ...later, headers: { "retry-after": "3600" } }, ok],
    list,
    "overloaded",
    1,
  ],
  [
    "the product says that it is of no use",
    [{ ...later, headers: { "retry-after": "0", "x-should-retry": "false" } }, ok],
    list,
    "overloaded",
    1,
  ],
  ["a question without an answer", ["cut", ok], list, "ok", 2],
  ["a change without an answer", ["cut", ok], change(), "outcome_unknown", 1],
  ["a change with a key without an answer", ["cut", ok], change(key), "ok", 2],
  [
    "a change with a key whose outcome is unknown",
    [{ status: 502, type: "outcome_unknown" }, ok],
    change(key),
    "ok",
    2,
  ],
  ["a wrong request", [{ status: 400, type: "invalid_field" }, ok], list, "invalid_field", 1],
  ["text is sent again", [later, ok], upload(() => "a\n1\n"), "ok", 2],
  ["a stream cannot be sent again", [later, ok], upload(streamed), "overloaded", 1],
  ["an answer that breaks off is none", ["cut body"], list, "bad_gateway", 1],
];
test.each(rows)("%s", async (_, answers, work, outcome, requests) => {
  expect(await serving(answers, work)).toEqual({ outcome, requests });
});

test("an abort ends the wait before another try", async () => {
  const stopping = new AbortController();
  const wait: Answer = { status: 503, type: "overloaded", headers: { "retry-after": "29" } };
  const { outcome, requests } = await serving([wait], async (url) => {
    const asked = createClient({ url }).catalogd.list({}, { signal: stopping.signal });
    setTimeout(() => stopping.abort(new Error("enough")), 20);
    return asked;
  });
  expect({ outcome, requests }).toEqual({ outcome: "Error: enough", requests: 1 });
});

test.each(["nonsense", "127.0.0.1:3110", "ftp://127.0.0.1", "http://", ""])(
  "'%s' is no address of a gateway",
  (url) => {
    expect(() => createClient({ url })).toThrow(
      "url: expected the gateway's address, as http://127.0.0.1:3110",
    );
  },
);

test("a token may end with a line's end, and one that no header can hold is refused without being shown", async () => {
  const { requests } = await serving([ok], (url) =>
    createClient({ url: ` ${url}/ `, token: "a-token\n" }).pathwayd.erase({
      who: "a",
      why: "b",
      uids: ["x"],
    }),
  );
  expect(requests).toBe(1);
  const asked = createClient({ url: "http://127.0.0.1:1", token: "secret\nword" }).catalogd.list();
  const failure = await asked.catch((cause: Error) => cause.message);
  expect(failure).toBe("token: expected letters, digits and signs, without spaces");
});
