/** What befalls an engine of others, or the product beside it; after each the index must be what its log says. */
import {
  addItems,
  createIndex,
  expectEqual,
  expectError,
  expectStatus,
  expectTrue,
  type Lake,
  type Product,
  postJson,
  type Stage,
} from "../smoke-product/smoke-product.ts";
import { dimension, type Item, indexed, makeItems, nearest, remove } from "./vector-conformance.ts";
import type { VectorServer } from "./vector-servers.ts";

interface Drill extends Pick<Stage, "check" | "start" | "directory"> {
  server: VectorServer;
  /** Its name in the configuration. */
  engine: string;
}

const searching = (lake: Lake, name: string, more: object = {}) =>
  postJson(lake, `/v1/vectors/index/${name}/search`, { vector: makeItems(1)[0]?.vector, k: 5, ...more });

/** The engine is there again for the product: until then it is an error, never a wrong answer. */
async function until(lake: Lake, name: string, what: (status: number) => boolean): Promise<void> {
  while (!what((await searching(lake, name)).status)) await Bun.sleep(50);
}

const infoOf = async (lake: Lake, name: string) =>
  (await lake.send(`/v1/vectors/index/${name}`)).body as {
    engine: string;
    count: number;
    indexed: number;
    problems?: string[];
  };

/** All that should be there is, and what should not is not. */
async function holds(
  lake: Lake,
  name: string,
  there: ReturnType<typeof makeItems>,
  gone: string[],
): Promise<void> {
  await indexed(lake, name);
  for (const { id, vector } of there) expectEqual((await nearest(lake, name, vector)).id, id);
  const all = await postJson(lake, `/v1/vectors/index/${name}/search`, { vector: there[0]?.vector, k: 5000 });
  expectStatus(all, 200);
  const ids = new Set((all.body as { results: { id: string }[] }).results.map(({ id }) => id));
  expectEqual(
    gone.filter((id) => ids.has(id)),
    [],
  );
  expectEqual(ids.size, (await infoOf(lake, name)).count);
}

interface Scene extends Omit<Drill, "check"> {
  /** Where the first product's data is. */
  data: string;
  env: Record<string, string>;
  /** The one that runs now. */
  product: Product;
  items: Item[];
  some: (from: number, to: number) => Item[];
}

const drills: Record<string, (on: Scene) => Promise<void>> = {
  "killed: an error that names it; exact searches and other indexes go on": async (on) => {
    const { server, engine } = on;
    await server.kill();
    await until(on.product, "f", (status) => status !== 200);
    const said = expectError(await searching(on.product, "f"), 503, "unavailable");
    expectTrue(said.includes(`engine '${engine}'`), said);
    expectStatus(await searching(on.product, "f", { exact: true }), 200);
    expectStatus(await searching(on.product, "here"), 200);
    const ready = await on.product.send("/readyz");
    expectStatus(ready, 503);
    expectTrue(JSON.stringify(ready.body).includes(`engine '${engine}'`), JSON.stringify(ready.body));
    expectTrue(
      server.secret === undefined || !JSON.stringify(ready.body).includes(server.secret),
      "the key is shown",
    );
  },
  "while it is away, items are taken and removed, and it catches up": async (on) => {
    const { server, some } = on;
    expectStatus(await addItems(on.product, "f", some(1000, 1200)), 200);
    expectStatus(await remove(on.product, "f", { ids: ["w3", "w1100"] }), 200);
    await server.start();
    await until(on.product, "f", (status) => status === 200);
    await holds(on.product, "f", some(1150, 1160), ["w3", "w1100"]);
    expectStatus(await on.product.send("/readyz"), 200);
  },
  "frozen: an error within the time given, and back after it": async (on) => {
    const { server, some } = on;
    server.freeze();
    const began = performance.now();
    expectError(await searching(on.product, "f"), 503, "unavailable");
    expectTrue(performance.now() - began < 60_000, "it took a minute");
    server.thaw();
    await until(on.product, "f", (status) => status === 200);
    await holds(on.product, "f", some(500, 505), ["w3"]);
  },
  "an older state of it is found out, and it is right again": async (on) => {
    const { server, some } = on;
    const kept = await server.keep();
    expectStatus(await addItems(on.product, "f", some(1200, 1400)), 200);
    expectStatus(await remove(on.product, "f", { ids: ["w7", "w1300"] }), 200);
    await indexed(on.product, "f");
    await server.putBack(kept);
    await until(on.product, "f", (status) => status === 200);
    await holds(on.product, "f", some(1310, 1320), ["w7", "w1300", "w3"]);
  },
  "the product is killed while it fills it, and goes on": async (on) => {
    const { env, some, data, start } = on;
    const adding = Array.from({ length: 10 }, (_, at) =>
      addItems(on.product, "f", some(1400 + at * 100, 1500 + at * 100)),
    );
    await Promise.race(adding);
    await on.product.end("SIGKILL");
    const answers = await Promise.allSettled(adding);
    on.product = await start({ directory: data, env });
    await until(on.product, "f", (status) => status === 200);
    const kept = answers.flatMap((answer, at) =>
      answer.status === "fulfilled" && answer.value.status === 200
        ? some(1400 + at * 100, 1403 + at * 100)
        : [],
    );
    expectTrue(kept.length > 0, "nothing was acknowledged before the kill");
    await holds(on.product, "f", kept, ["w3", "w7", "w1300"]);
  },
  "an older state while the product was down: filled anew, by name": async (on) => {
    const { server, env, some, data, items, start } = on;
    const kept = await server.keep();
    expectStatus(await addItems(on.product, "f", [{ ...(items[0] as object), id: "late" }]), 200);
    expectStatus(await postJson(on.product, "/v1/vectors/index/f/compact", {}), 200);
    await indexed(on.product, "f");
    await on.product.end("SIGTERM");
    await server.putBack(kept);
    on.product = await start({ directory: data, env });
    await until(on.product, "f", (status) => status === 200);
    await holds(on.product, "f", some(1310, 1312), ["w3", "w7"]);
  },
  "a second product is refused by the store's id, until it takes the namespace over": async (on) => {
    const { engine, env, some, data, directory, start } = on;
    const other = directory();
    let second = await start({ directory: other, env });
    const said = expectError(await createIndex(second, { name: "f", dimension, engine }), 409, "conflict");
    expectTrue(said.includes("another store") && said.includes(`--adopt=vectord/engines/${engine}`), said);
    await second.end("SIGTERM");
    await holds(on.product, "f", some(20, 22), ["w3"]);
    await on.product.end("SIGTERM");
    second = await start({ directory: other, env, flags: [`--adopt=vectord/engines/${engine}`] });
    expectStatus(await createIndex(second, { name: "f", dimension, engine }), 201);
    await addItems(second, "f", some(0, 10));
    await holds(second, "f", some(0, 10), []);
    await second.end("SIGTERM");
    on.product = await start({ directory: data, env, flags: [`--adopt=vectord/engines/${engine}`] });
    await until(on.product, "f", (status) => status === 200);
    await holds(on.product, "f", some(1310, 1312), ["w3", "w7"]);
  },
  "an index moves there by its snapshot, and an alias is switched": async (on) => {
    const { engine, some, items } = on;
    const snapshot = await postJson(on.product, "/v1/vectors/index/here/snapshots", {});
    expectStatus(snapshot, 201);
    const { id } = snapshot.body as { id: string };
    const path = `/v1/vectors/index/here/snapshots/${id}/restore`;
    expectStatus(await postJson(on.product, path, { as: "there", engine }), 200);
    expectEqual((await infoOf(on.product, "there")).engine, engine);
    await holds(on.product, "there", some(10, 15), []);
    expectStatus(
      await on.product.send("/v1/vectors/alias/live", {
        method: "PUT",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ index: "there" }),
      }),
      200,
    );
    expectEqual((await nearest(on.product, "live", items[10]?.vector ?? [])).id, "w10");
  },
  "what it cannot be is refused with 422": async (on) => {
    const { engine } = on;
    const wide = await createIndex(on.product, { name: "wide", dimension: 65_536, engine });
    expectError(wide, 422, "unprocessable");
    expectError(
      await createIndex(on.product, { name: "ivf", dimension, type: "ivf_flat", engine }),
      422,
      "unprocessable",
    );
    expectError(
      await createIndex(on.product, { name: "none", dimension, engine: "nowhere" }),
      400,
      "invalid_field",
    );
  },
};

/** An index in the engine and one here, and all of the above, one after the other. */
export async function faults({ check, ...drill }: Drill): Promise<void> {
  const { start, directory, server, engine } = drill;
  const [data, env] = [directory(), server.env(engine)];
  const items = makeItems(2400, dimension, 5);
  const some = (from: number, to: number) => items.slice(from, to);
  const on: Scene = { ...drill, data, env, items, some, product: await start({ directory: data, env }) };
  await createIndex(on.product, { name: "f", dimension, engine });
  await createIndex(on.product, { name: "here", dimension });
  await addItems(on.product, "f", some(0, 1000));
  await addItems(on.product, "here", some(0, 100));
  await indexed(on.product, "f");
  for (const [what, work] of Object.entries(drills)) await check(what, () => work(on));
  await on.product.end("SIGTERM");
}
