import {
  expectError,
  expectStored,
  expectTrue,
  type Lake,
  type Smoke,
} from "../smoke-product/smoke-product.ts";

const KiB = 1024;
const putBytesMax = 64 * KiB;
const putsMax = 2;

/** A body of unknown length: sent in chunks, as `curl -T -` does. */
const chunked = (bytes: number): ReadableStream<Uint8Array> =>
  new ReadableStream({
    start(controller) {
      for (let left = bytes; left > 0; left -= KiB) controller.enqueue(new Uint8Array(Math.min(left, KiB)));
      controller.close();
    },
  });

/** A PUT that has begun and waits to be finished. */
function slowPut({ open }: Lake, key: string): { finish: () => void; answer: Promise<Response> } {
  const { promise: finished, resolve: finish } = Promise.withResolvers<void>();
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      controller.enqueue(new Uint8Array(KiB));
      await finished;
      controller.close();
    },
  });
  return { finish, answer: open(`/v1/storage/put/${key}`, { method: "PUT", body }) };
}

/** Waits until so many PUTs have arrived at storaged; gives up after ten seconds. */
async function underWay({ send }: Lake, wanted: number): Promise<void> {
  const system = (await send("/v1/system")).body as { services: { name: string; address: string }[] };
  const address = system.services.find(({ name }) => name === "storaged")?.address;
  for (let tries = 0; tries < 1000; tries++) {
    const metrics = String((await send(`${address}/metrics`)).body);
    if (metrics.includes(`storaged_puts_open ${wanted}\n`)) return;
    await Bun.sleep(10);
  }
  throw new Error(`${wanted} PUTs did not arrive at storaged`);
}

export const storagedCap: Smoke = {
  about: "storage limits: size by Content-Length and by count, larger prefixes, PUTs at once",
  ownProduct: true,
  async run({ check, start }) {
    const lake = await start({
      flags: [
        `--storaged.max_put_bytes=${putBytesMax}`,
        `--storaged.max_put_bytes_by_prefix={ "vectors/" = ${2 * putBytesMax} }`,
        `--storaged.max_concurrent_puts=${putsMax}`,
      ],
    });
    const put = (key: string, body: RequestInit["body"]) =>
      lake.send(`/v1/storage/put/${key}`, { method: "PUT", body: body ?? null });

    await check("a body of exactly the limit is stored", async () => {
      expectStored(await put("cap/exact", new Uint8Array(putBytesMax)));
    });
    await check("one byte more is a 413, and nothing is stored", async () => {
      expectError(await put("cap/more", new Uint8Array(putBytesMax + 1)), 413, "too_large");
      expectError(await lake.send("/v1/storage/get/cap/more"), 404, "not_found");
    });
    await check("a body of unknown length is counted: 413, and nothing is stored", async () => {
      expectError(await put("cap/chunked", chunked(putBytesMax + KiB)), 413, "too_large");
      expectError(await lake.send("/v1/storage/get/cap/chunked"), 404, "not_found");
    });
    await check("a prefix of its own limit takes it", async () => {
      expectStored(await put("vectors/large", new Uint8Array(putBytesMax + 1)));
      expectError(await put("vectors/larger", new Uint8Array(2 * putBytesMax + 1)), 413, "too_large");
    });
    await check("more PUTs at once than allowed get 503 with Retry-After, later ones go on", async () => {
      const slow = Array.from({ length: putsMax }, (_, at) => slowPut(lake, `cap/slow-${at}`));
      // A PUT in between could take the place of one that has not arrived yet.
      await underWay(lake, putsMax);
      const refused = await put("cap/third", "x");
      for (const { finish } of slow) finish();
      const ends = await Promise.all(slow.map(({ answer }) => answer));
      expectError(refused, 503, "overloaded");
      expectTrue(Number(refused.headers.get("retry-after")) > 0, "no Retry-After");
      expectTrue(
        ends.every(({ ok }) => ok),
        `the slow ones ended ${ends.map(({ status }) => status)}`,
      );
      expectStored(await put("cap/third", "x"));
    });
  },
};
