/** Profiles: kept, active at once, taken back, checked against their corpora, whole after a crash. */
import { afterEach, describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { temporaryDirectory } from "../../../support/stacks/in-process.ts";
import { type PlaybookStack, startPlaybookStack } from "../../../support/stacks/playbooks.ts";

let stack: PlaybookStack;
const homes: { remove: () => void }[] = [];
afterEach(async () => {
  await stack.stop();
  for (const home of homes.splice(0)) home.remove();
});
const start = async (directory?: string, adopted?: (place: string) => boolean) => {
  stack = await startPlaybookStack({
    ...(directory !== undefined && { directory }),
    ...(adopted && { adopted }),
  });
  return stack;
};
const newHome = () => {
  const home = temporaryDirectory("profiles");
  homes.push(home);
  return home.path;
};
const workers = { corpora: ["workers"] };

describe("activation", () => {
  test("is seen by the next search, and an active profile changes at once", async () => {
    const { verbs, profiles } = await start();
    expect(profiles.active()).toBeUndefined();
    const put = await verbs.putProfile({ name: "day", ...workers, k: 5, index: { ef: 200 }, mode: "vector" });
    expect(put).toEqual({
      name: "day",
      corpora: ["workers"],
      k: 5,
      index: { ef: 200 },
      mode: "vector",
      active: false,
    });
    expect(profiles.active()).toBeUndefined();
    expect(await verbs.activate({ name: "day" })).toEqual({ active: "day" });
    expect(profiles.active()).toEqual({ ...put, active: true });
    await verbs.putProfile({ name: "day", ...workers, k: 9 });
    expect(profiles.active()).toEqual({ name: "day", corpora: ["workers"], k: 9, active: true });
  });

  test("goes back step by step, to none at last", async () => {
    const { verbs, profiles } = await start();
    for (const name of ["a", "b", "c"]) await verbs.putProfile({ name, ...workers });
    await verbs.activate({ name: "a" });
    expect(await verbs.activate({ name: "b" })).toEqual({ active: "b", previous: "a" });
    // What is active already is no step.
    expect(await verbs.activate({ name: "b" })).toEqual({ active: "b", previous: "b" });
    await verbs.activate({ name: "c" });
    expect(await verbs.rollback({})).toEqual({ active: "b", previous: "c" });
    expect(await verbs.rollback({})).toEqual({ active: "a", previous: "b" });
    expect(await verbs.rollback({})).toEqual({ previous: "a" });
    expect(profiles.active()).toBeUndefined();
    await expect(verbs.rollback({})).rejects.toMatchObject({ type: "conflict" });
  });

  test("a rollback passes over what was deleted", async () => {
    const { verbs } = await start();
    for (const name of ["a", "b", "c"]) await verbs.putProfile({ name, ...workers });
    for (const name of ["a", "b", "c"]) await verbs.activate({ name });
    await verbs.dropProfile({ name: "b" });
    expect(await verbs.rollback({})).toEqual({ active: "a", previous: "c" });
  });

  test("a hundred at once leave one active and every step in the history", async () => {
    const { verbs } = await start();
    const names = Array.from({ length: 10 }, (_, at) => `p${at}`);
    for (const name of names) await verbs.putProfile({ name, ...workers });
    const all = await Promise.all(
      Array.from({ length: 100 }, (_, at) => verbs.activate({ name: names[at % 10] as string })),
    );
    // Each saw the one before it.
    for (const [at, { previous }] of all.entries())
      expect(previous).toBe(at === 0 ? undefined : all[at - 1]?.active);
    expect((await verbs.profiles({})).active).toBe("p9");
  });
});

describe("what holds for its corpora", () => {
  test("a model and a bucket are promises that put and activate keep", async () => {
    const { verbs, corpora } = await start();
    await verbs.putProfile({ name: "local", ...workers, model: "local", bucket: "primary" });
    await verbs.putProfile({ name: "cold", corpora: ["jobs"], bucket: "cold" });
    await verbs.activate({ name: "local" });
    await verbs.activate({ name: "cold" });
    // The corpus was built anew with another model.
    corpora.workers = { ids: [], model: "ollama/other", dataset: "workers" };
    await expect(verbs.activate({ name: "local" })).rejects.toMatchObject({ type: "conflict" });
    expect((await verbs.profiles({})).active).toBe("cold");
    // Going back needs no leave: it is what one does when something is wrong.
    expect((await verbs.rollback({})).active).toBe("local");
  });
});

describe("on disk", () => {
  test("everything is there after a restart, history too", async () => {
    const home = newHome();
    const { verbs } = await start(home);
    for (const name of ["a", "b"]) await verbs.putProfile({ name, ...workers, weights: { vector: 0.3 } });
    for (const name of ["a", "b"]) await verbs.activate({ name });
    const before = await verbs.profiles({});
    await stack.stop();
    await start(home);
    expect(await stack.verbs.profiles({})).toEqual(before);
    expect(stack.profiles.active()?.name).toBe("b");
    expect(await stack.verbs.rollback({})).toEqual({ active: "a", previous: "b" });
  });

  test("the log stays short, and of a damaged last state the one before is not served until that is accepted", async () => {
    const home = newHome();
    const { verbs } = await start(home);
    for (let at = 0; at < 150; at++) await verbs.putProfile({ name: "a", ...workers, k: at + 1 });
    await stack.stop();
    const file = join(home, "matrixd", "profiles.log");
    const lines = readFileSync(file, "utf8").split("\n");
    expect(lines.length).toBeLessThan(110);
    writeFileSync(file, lines.join("\n").replace('"k":150', '"k":160'));
    await start(home);
    await expect(stack.verbs.profiles({})).rejects.toMatchObject({ type: "corrupt" });
    expect(stack.notReady().join()).toContain("matrixd/profiles.log: its last line is damaged");
    await stack.stop();
    await start(home, (place) => place === "matrixd/profiles.log");
    expect((await stack.verbs.profiles({})).profiles[0]?.k).toBe(149);
    expect(readFileSync(`${file}.damaged`, "utf8")).toContain('"k":160');
    await stack.stop();
    await start(home);
    expect(stack.notReady()).toEqual([]);
    await stack.verbs.putProfile({ name: "a", ...workers, k: 7 });
    await stack.stop();
    await start(home);
    expect((await stack.verbs.profiles({})).profiles[0]?.k).toBe(7);
  });
});
