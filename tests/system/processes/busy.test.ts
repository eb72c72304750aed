/** A machine that is busy, and a process that is held: nobody is taken for hung, nobody is replaced. */
import { afterAll, expect, test } from "bun:test";
import { startBusyLoops } from "../../support/product/busy-loops.ts";
import { ingest, type Product, startProduct } from "../../support/product/product.ts";
import { isStopped } from "../../support/product/sigstop.ts";

/** Silence that a starved or held service surely exceeds. */
const impatient = { LH_SUPERVISOR_HEARTBEAT_MS: "50", LH_SUPERVISOR_HEARTBEAT_TIMEOUT_MS: "1000" };
const products: Product[] = [];
afterAll(() => Promise.all(products.map((product) => product.end("SIGKILL"))));
const start = async () => {
  const product = await startProduct({ env: impatient });
  products.push(product);
  return product;
};

interface Service {
  name: string;
  state: string;
  restarts: number;
  last_error?: string;
}
const services = async ({ url }: Product): Promise<Service[]> =>
  ((await (await fetch(`${url}/v1/system`)).json()) as { services: Service[] }).services;
const left = (list: Service[]) =>
  list.map(({ name, restarts, last_error }) => ({ name, restarts, last_error }));
const untouched = (list: Service[]) => list.map(({ name }) => ({ name, restarts: 0, last_error: undefined }));

test("a process that was held for longer than the timeout goes on with all its services", async () => {
  const product = await start();
  process.kill(product.pid, "SIGSTOP");
  while (!isStopped(product.pid)) await Bun.sleep(1);
  // The time that it is held is the subject; longer does no harm.
  await Bun.sleep(2500);
  process.kill(product.pid, "SIGCONT");
  while (!product.log().includes("this process was held")) await Bun.sleep(5);
  const list = await services(product);
  expect(left(list)).toEqual(untouched(list) as never);
  expect((await ingest(product.url, "name=after", "a\n1\n")).status).toBe(200);
  expect(product.log()).not.toMatch(/service (ended|hung)|is replaced/);
});

test("a field of 17 MB beside four busy loops replaces nobody", async () => {
  const product = await start();
  const loops = startBusyLoops(4);
  try {
    const response = await ingest(product.url, "name=long", `id,text\n1,"${"a, b\n".repeat(3_400_000)}"\n`);
    // Taken or refused, but answered by the service that it was sent to.
    expect([response.status < 500, await response.text()]).toEqual([true, expect.stringContaining("{")]);
  } finally {
    loops.stop();
  }
  const list = await services(product);
  expect(left(list)).toEqual(untouched(list) as never);
  expect(product.log()).not.toMatch(/service (ended|hung)|is replaced/);
});
