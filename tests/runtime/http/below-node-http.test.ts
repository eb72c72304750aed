/** What Bun does not document is looked at before it is used: another Bun is refused in clear words. */
import { expect, test } from "bun:test";
import http from "node:http";
import { createServer, type Server } from "node:net";
import { checkBun, listenBelow } from "../../../runtime/http/below-node-http.ts";

const words =
  /^HTTP cannot be served by Bun .*: .* is not as in Bun 1\.4\.5.*the version that package\.json names$/;

const serverThat = (listen: () => unknown): Server => Object.assign(createServer(), { listen }) as never;

test.each([
  ["calls nothing of Bun's", () => undefined],
  ["gives no callback", () => Bun.serve({ port: 0, fetch: () => new Response() })],
  [
    "gives another one",
    () => Bun.serve({ port: 0, onNodeHTTPRequest: (_: unknown, url: string) => url } as never),
  ],
])("a node:http that %s", (_, listen) => {
  const { serve } = Bun;
  expect(() => listenBelow(serverThat(listen), 0, "127.0.0.1", () => {})).toThrow(words);
  expect(Bun.serve).toBe(serve);
});

test("an address that is taken", () => {
  const taken = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response() });

  expect(() => listenBelow(http.createServer(), taken.port as number, "127.0.0.1", () => {})).toThrow(
    "in use",
  );
  void taken.stop(true);
});

test("a request that lacks what is asked of it", () => {
  expect(() => checkBun({} as never, {} as never)).toThrow(words);
});
