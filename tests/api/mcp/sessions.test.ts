/** Sessions of MCP over HTTP without a product: how many there may be, how long they may be idle, what is sent again. */
import { afterEach, expect, test } from "bun:test";
import type { JSONRPCMessage, Server } from "@modelcontextprotocol/server";
import { createSentEvents } from "../../../api/mcp/http/events.ts";
import { createSessions } from "../../../api/mcp/http/sessions.ts";
import { createServers } from "../../../api/mcp/protocol/protocol.ts";
import { createLog } from "../../../runtime/telemetry/log.ts";

/** A clock that stands until it is moved. */
function standingClock() {
  let now = 0;
  let timers: { at: number; run: () => void }[] = [];
  const after = (ms: number, run: () => void) => {
    const timer = { at: now + ms, run };
    timers.push(timer);
    return () => {
      timers = timers.filter((one) => one !== timer);
    };
  };
  const move = (ms: number) => {
    for (const end = now + ms; now < end; now += 10)
      for (const timer of timers.filter(({ at }) => at <= now)) {
        timers = timers.filter((one) => one !== timer);
        timer.run();
      }
  };
  return { clock: { elapsed: () => now, after }, move };
}

let ended: string[] = [];
const failures: Error[] = [];
const hello = {
  ...{ jsonrpc: "2.0", id: 1, method: "initialize" },
  params: { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: "t", version: "1" } },
};

function start(limits: { sessionsMax: number; idleMs: number }) {
  const { clock, move } = standingClock();
  const create = createServers({
    ...{ tools: [], resources: {} as never, observation: { record: () => {}, flushed: async () => {} } },
    ...{ watch: { follow: () => () => {}, based: async () => {}, stop: () => {} }, clock: clock as never },
    ...{ log: createLog("mcp", "error"), redact: (text: string) => text },
  });
  const sessions = createSessions({
    ...{ ...limits, replayBytesMax: 100_000, clock, onerror: (cause) => failures.push(cause) },
    create: (id): Server => {
      const server = create(id, "subscribed");
      server.onclose = () => ended.push(id);
      return server;
    },
  });
  const request = (method: string, id?: string) =>
    new Request("http://localhost/mcp", {
      method,
      headers: {
        ...{ accept: "application/json, text/event-stream", "content-type": "application/json" },
        ...(id !== undefined && { "mcp-session-id": id }),
      },
    });
  const begin = async (): Promise<string> => {
    const session = await sessions.begin();
    const response = await sessions.answer(session, request("POST"), hello);
    await response.text();
    return response.headers.get("mcp-session-id") ?? "";
  };
  const listen = async (id: string): Promise<Response> => {
    const session = sessions.find(id);
    if (!session) throw new Error(`no session ${id}`);
    return sessions.answer(session, request("GET", id), undefined);
  };
  return { sessions, move, begin, listen };
}

afterEach(() => {
  expect(failures).toEqual([]);
  ended = [];
});

test("for one more than there may be, the one that was idle for the longest time ends", async () => {
  const { sessions, begin, listen, move } = start({ sessionsMax: 3, idleMs: 1000 });
  const first = await begin();
  move(10);
  const second = await begin();
  move(10);
  const third = await begin();
  await listen(first);
  const fourth = await begin();
  expect(ended).toEqual([second]);
  for (const id of [first, third, fourth]) expect(sessions.find(id)).toBeDefined();
  expect(sessions.count()).toBe(3);
  await sessions.stop();
  expect(sessions.count()).toBe(0);
});

test("where all have something open no more are begun", async () => {
  const { sessions, begin, listen } = start({ sessionsMax: 2, idleMs: 1000 });
  const open = [await begin(), await begin()];
  const streams = await Promise.all(open.map(listen));
  await expect(sessions.begin()).rejects.toThrow("all 2 MCP sessions are in use");
  await streams[0]?.body?.cancel();
  await begin();
  expect(ended).toEqual([open[0] as string]);
  await sessions.stop();
});

test("a session ends when it was idle for its time, and not while something of it is open", async () => {
  const { sessions, begin, listen, move } = start({ sessionsMax: 10, idleMs: 1000 });
  const [silent, open] = [await begin(), await begin()];
  const stream = await listen(open);
  move(990);
  expect(sessions.count()).toBe(2);
  move(400);
  expect(ended).toEqual([silent]);
  await stream.body?.cancel();
  move(1400);
  expect(ended).toEqual([silent, open]);
  await sessions.stop();
});

test("streams that only wait end at once; the sessions stay", async () => {
  const { sessions, begin, listen } = start({ sessionsMax: 10, idleMs: 1000 });
  const stream = await listen(await begin());
  sessions.endWaiting();
  expect(await stream.text()).toBe("");
  expect(sessions.count()).toBe(1);
  await sessions.stop();
});

const message = (id: number, chars = 10): JSONRPCMessage => ({
  ...{ jsonrpc: "2.0", id },
  result: { text: "x".repeat(chars) },
});
const replayed = async (
  store: ReturnType<ReturnType<typeof createSentEvents>["ofSession"]>["store"],
  id: string,
) => {
  const sent: unknown[] = [];
  await store.replayEventsAfter(id, { send: async (_, one) => void sent.push((one as { id: number }).id) });
  return sent;
};

test("what was sent after an event of a stream is sent again, and of that stream alone", async () => {
  const { store } = createSentEvents(1_000_000).ofSession();
  const first = await store.storeEvent("a", message(1));
  await store.storeEvent("b", message(2));
  await store.storeEvent("a", message(3));
  await store.storeEvent("a", message(4));
  expect(await store.getStreamIdForEventId?.(first)).toBe("a");
  expect(await replayed(store, first)).toEqual([3, 4]);
});

test("sessions do not see each other's events, and what is forgotten is gone", async () => {
  const events = createSentEvents(1_000_000);
  const [one, other] = [events.ofSession(), events.ofSession()];
  const id = await one.store.storeEvent("a", message(1));
  expect(await other.store.getStreamIdForEventId?.(id)).toBeUndefined();
  one.forget();
  expect(await one.store.getStreamIdForEventId?.(id)).toBeUndefined();
});

test("what does not fit goes, the oldest first; a gap is an error and never a part", async () => {
  const events = createSentEvents(10_000);
  const [one, other] = [events.ofSession(), events.ofSession()];
  const id = await one.store.storeEvent("a", message(1, 1000));
  for (let at = 0; at < 10; at++) await other.store.storeEvent("a", message(at, 1000));
  expect(await one.store.getStreamIdForEventId?.(id)).toBeUndefined();
  const before = await one.store.storeEvent("a", message(2));
  await one.store.storeEvent("a", message(3, 100_000));
  await one.store.storeEvent("a", message(4));
  await expect(replayed(one.store, before)).rejects.toThrow("not kept any more");
});
