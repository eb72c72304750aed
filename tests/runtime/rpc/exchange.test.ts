import { expect, test } from "bun:test";
import { overPort, servePort } from "../../../runtime/rpc/transport.ts";
import { createSubject, testExchange } from "../../conformance/exchange.ts";

const limits = { timeoutMs: 10_000, inFlightMax: 1000 };
const invoke = async () => ({});

testExchange("socket", async ({ answer }) => {
  const server = Bun.serve({ port: 0, development: false, fetch: answer, error: () => new Response(null) });
  return {
    fetch: (path, init) => fetch(new URL(path, server.url), init),
    stop: () => server.stop(true),
  };
});

function connect(answer: (request: Request) => Promise<Response>, inFlightMax = 1000) {
  const { port1, port2 } = new MessageChannel();
  const served = servePort(port2, { invoke, fetch: answer, inFlightMax });
  const transport = overPort("subject", { ...limits, inFlightMax: 10 * inFlightMax });
  transport.attach(port1);
  return { transport, served, port: port2 };
}

testExchange("port", async ({ answer }) => {
  const { transport } = connect(answer);
  return { fetch: transport.fetch, stop: () => transport.detach("over") };
});

test("a service that goes away fails what is open, and a new one answers the same caller", async () => {
  const subject = createSubject();
  const { transport, port } = connect(subject.answer);
  const waiting = transport.fetch("/wait");
  const reading = (await transport.fetch("/endless")).bytes();
  const outcomes = Promise.allSettled([waiting, reading]);
  port.close();
  const unavailable = { status: "rejected", reason: { type: "unavailable" } };
  expect(await outcomes).toMatchObject([unavailable, unavailable]);
  expect(transport.fetch("/nothing")).rejects.toMatchObject({ type: "unavailable" });
  const next = new MessageChannel();
  servePort(next.port2, { invoke, fetch: subject.answer, inFlightMax: 10 });
  transport.attach(next.port1);
  expect((await transport.fetch("/nothing")).status).toBe(204);
  transport.detach("over");
});

test("a caller that closes its port ends the work", async () => {
  const subject = createSubject();
  const { transport } = connect(subject.answer);
  const waiting = transport.fetch("/wait");
  while (!subject.noticed.includes("waiting")) await Bun.sleep(1);
  transport.detach("over");
  expect(waiting).rejects.toMatchObject({ type: "unavailable", message: "over" });
  while (!subject.noticed.includes("request aborted")) await Bun.sleep(1);
});

test("more requests than allowed are refused on either side", async () => {
  const subject = createSubject();
  const { transport } = connect(subject.answer, 2);
  const open = [transport.fetch("/wait"), transport.fetch("/wait")];
  const refused = await transport.fetch("/nothing").catch((error) => error);
  expect(refused).toMatchObject({ type: "overloaded", retryAfterSeconds: 1 });
  transport.detach("over");
  await Promise.allSettled(open);
});

test("idle waits for the last byte of what is open", async () => {
  const subject = createSubject();
  const { transport, served } = connect(subject.answer);
  const response = await transport.fetch("/endless");
  let isIdle = false;
  const idle = served.idle().then(() => {
    isIdle = true;
  });
  await Bun.sleep(10);
  expect(isIdle).toBe(false);
  await response.body?.cancel();
  await idle;
  transport.detach("over");
});
