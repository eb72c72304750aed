import { afterAll, describe, expect, test } from "bun:test";
import { createServer } from "node:net";
import { closed, contract, get, internal, post, raw, t } from "../../../runtime/contract/endpoints.ts";
import type { PeerLink } from "../../../runtime/service/protocol.ts";
import { createLinks } from "../../../runtime/worker/links.ts";
import { configWith } from "../../support/stacks/in-process.ts";

const reply = closed({});
const shelf = contract("shelf", {
  look: get("/shelf", { summary: "Looks.", reply }),
  search: post("/shelf/search", { summary: "Searches.", reads: true, reply }),
  add: post("/shelf/add", { summary: "Adds.", reply }),
  peek: internal({ reads: true, summary: "Peeks.", body: closed({}), reply }),
  store: internal({ summary: "Stores.", body: closed({}), reply }),
  put: raw(["PUT"], "/shelf/put/*", { summary: "Puts.", params: closed({ key: t.String() }) }),
  find: raw(["POST"], "/shelf/find/:name", {
    reads: true,
    summary: "Finds.",
    params: closed({ name: t.String() }),
  }),
});

const peerOf = (link: PeerLink) => createLinks({ shelf }, { shelf: link }, configWith({})).peers.shelf;
type Shelf = ReturnType<typeof peerOf>;

/** What may be asked again by whoever got no answer, and what may not. */
const table: { name: string; ask: (peer: Shelf) => Promise<unknown>; safe: boolean }[] = [
  { name: "a GET verb", ask: ({ verbs }) => verbs.look({}), safe: true },
  { name: "a POST that reads", ask: ({ verbs }) => verbs.search({}), safe: true },
  { name: "a call that reads", ask: ({ verbs }) => verbs.peek({}), safe: true },
  { name: "a GET", ask: ({ fetch }) => fetch("/readyz"), safe: true },
  {
    name: "a stream that reads",
    ask: ({ fetch }) => fetch("/shelf/find/a?k=1", { method: "POST", body: "x" }),
    safe: true,
  },
  { name: "a POST that writes", ask: ({ verbs }) => verbs.add({}), safe: false },
  { name: "a call that writes", ask: ({ verbs }) => verbs.store({}), safe: false },
  {
    name: "a PUT",
    ask: ({ fetch }) => fetch("/shelf/put/a/b", { method: "PUT", body: "x" }),
    safe: false,
  },
  {
    name: "what no contract names",
    ask: ({ fetch }) => fetch("/shelf/else", { method: "POST", body: "x" }),
    safe: false,
  },
];

const failureOf = (asked: Promise<unknown>) =>
  asked.then(
    () => expect.unreachable("it was answered"),
    (cause) => ({ type: cause.type, status: cause.status, retryAfterSeconds: cause.retryAfterSeconds }),
  );
const nothingDone = { type: "unavailable", status: 503, retryAfterSeconds: 1 };
const unknown = { type: "outcome_unknown", status: 502, retryAfterSeconds: undefined };

describe("a service of another process", () => {
  let requests = 0;
  /** Takes a request, and ends the connection instead of answering. */
  const cutter = createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () => {
      requests += 1;
      socket.destroy();
    });
  });
  const listening = new Promise<number>((resolve) =>
    cutter.listen(0, "127.0.0.1", () => resolve((cutter.address() as { port: number }).port)),
  );
  afterAll(() => void cutter.close());

  test.each(table)("that ends the connection: $name", async ({ ask, safe }) => {
    const peer = peerOf({ url: `http://127.0.0.1:${await listening}`, local: false });
    const before = requests;
    expect(await failureOf(ask(peer))).toEqual(safe ? nothingDone : unknown);
    if (!safe) expect(requests - before).toBe(1);
  });
  test.each(table)("where nobody listens: $name was not done", async ({ ask }) => {
    expect(await failureOf(ask(peerOf({ url: "http://127.0.0.1:9", local: false })))).toEqual(nothingDone);
  });
});

describe("a service of this process", () => {
  test.each(table)("that went away: $name", async ({ ask, safe }) => {
    const { port1, port2 } = new MessageChannel();
    const taken = Promise.withResolvers<void>();
    port2.onmessage = () => taken.resolve();
    const failure = failureOf(ask(peerOf({ url: "", local: true, port: port1 })));
    await taken.promise;
    port2.close();
    expect(await failure).toEqual(safe ? nothingDone : unknown);
  });
  test.each(table)("that does not run: $name was not done", async ({ ask }) => {
    expect(await failureOf(ask(peerOf({ url: "", local: true })))).toEqual(nothingDone);
  });
});
