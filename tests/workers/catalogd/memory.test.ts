/** A catalog that does not fit into memory: registrations are refused, and a start leaves closed what does not fit. */
import { expect, test } from "bun:test";
import { startCatalog } from "../../support/stacks/catalogd.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

const wide = (prefix: string) =>
  Array.from({ length: 40 }, (_, at) => ({ name: `${prefix}${at}`, type: "VARCHAR", nullable: true }));
const bounded = (bytes: number) => ({ settings: { max_memory_bytes: bytes } });

test("a registration that does not fit is refused with the figures, a drop makes room", async () => {
  const { path, remove } = temporaryDirectory("catalogd-memory");
  const catalog = await startCatalog(path, bounded(40_000));
  const register = (name: string) => catalog.verbs.register({ name, columns: wide("c"), objects: [] });
  const added = await Promise.allSettled(Array.from({ length: 12 }, (_, at) => register(`d${at}`)));
  const refused = added.filter((one) => one.status === "rejected");
  expect(refused.length).toBeGreaterThan(0);
  expect(refused.length).toBeLessThan(12);
  for (const { reason } of refused) {
    expect(reason).toMatchObject({ type: "memory_full", status: 507, details: { budget_bytes: 40_000 } });
    expect(reason.message).toContain("drop datasets, or raise catalogd.max_memory_bytes");
  }
  const { datasets } = await catalog.verbs.list({});
  expect(datasets.length).toBe(12 - refused.length);
  expect((await register(datasets[0]?.name ?? "")).version).toBe(1);
  await catalog.stop();
  remove();
});

test("a start serves what fits, names the rest, and loses nothing", async () => {
  const { path, remove } = temporaryDirectory("catalogd-memory-start");
  let catalog = await startCatalog(path);
  await catalog.verbs.register({ name: "small", columns: wide("s").slice(0, 2), objects: [] });
  await catalog.verbs.register({ name: "large", columns: wide("l"), objects: [] });
  await catalog.stop();

  catalog = await startCatalog(path, bounded(4000));
  expect((await catalog.verbs.manifest({ name: "small" })).columns.length).toBe(2);
  const reason = expect.stringContaining("dataset 'large' stays closed: its manifest needs");
  await expect(catalog.verbs.manifest({ name: "large" })).rejects.toMatchObject({
    type: "memory_full",
    message: reason,
  });
  expect(catalog.catalogd.running.notReady?.()).toEqual([reason]);
  expect((await catalog.verbs.list({})).unreadable).toEqual([{ name: "large", type: "memory_full", reason }]);
  await catalog.stop();

  catalog = await startCatalog(path);
  expect((await catalog.verbs.manifest({ name: "large" })).columns.length).toBe(40);
  await catalog.stop();

  catalog = await startCatalog(path, bounded(4000));
  expect(await catalog.verbs.drop({ name: "large" })).toMatchObject({ dropped: true });
  expect(catalog.catalogd.running.notReady?.()).toEqual([]);
  await catalog.stop();
  remove();
});
