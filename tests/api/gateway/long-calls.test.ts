/** Calls that may take longer than calls between services have: the gateway waits for them as for streams. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { type Product, startProduct } from "../../support/product/product.ts";

const slowMs = 1500;
/** Ollama that takes its time. */
const ollama = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  fetch: async (request) => {
    const { input = [] } = (await request.json()) as { input?: string[] };
    await Bun.sleep(slowMs);
    return Response.json({ embeddings: input.map(() => [0.6, 0.8]) });
  },
});
let product: Product;
const start = (flags: readonly string[]) =>
  startProduct({
    flags: ["--only", "gateway,embedd", `--embedd.ollama_url=http://127.0.0.1:${ollama.port}`, ...flags],
  });
const embed = (text: string) =>
  fetch(`${product.url}/v1/embed`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: "ollama/slow", text }),
  });

beforeAll(async () => {
  product = await start([`--rpc.timeout_ms=${slowMs / 3}`]);
});
afterAll(async () => {
  await product.end();
  await ollama.stop(true);
});

test("a long call is answered after the deadline of other calls", async () => {
  const answer = await embed("a");
  expect(await answer.json()).toMatchObject({ dimension: 2 });
  expect(answer.status).toBe(200);
});

test("and not after that of streams, which is told", async () => {
  await product.end();
  product = await start(["--gateway.proxy_timeout_ms=1000"]);
  const answer = await embed("b");
  expect(answer.status).toBe(504);
  expect(await answer.json()).toMatchObject({
    error: { type: "deadline_exceeded", message: "embedd.embed did not answer within 1000 ms" },
  });
});
