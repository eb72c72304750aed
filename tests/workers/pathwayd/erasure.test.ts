/** Erased traces: nothing of them in any byte that is kept, everything else as it was, before and after a start. */
import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { filesWith } from "../../support/campaigns/needles.ts";
import { type Memory, perTest } from "../../support/stacks/pathwayd.ts";

const stack = perTest();
const needle = "xq-needle-77";
const reasons = { who: "the data officer", why: "case 12" };

const problem = (work: Promise<unknown>) =>
  work.then(
    () => {
      throw new Error("expected an error");
    },
    (cause: { type: string; message: string; details?: unknown }) => cause,
  );

async function filled(memory: Memory): Promise<void> {
  const { verbs } = memory;
  await verbs.add({ uid: "kept", content: { note: "of somebody else" }, tags: ["t"] });
  await verbs.add({ uid: "a", content: `met ${needle} today` }, { idempotencyKey: "key-a" });
  await verbs.add({ uid: "b", content: "first words" });
  await verbs.update({ uid: "b", content: { about: [needle] }, tags: [needle] });
  await verbs.update({ uid: "b", content: "words again", tags: [] });
  await verbs.revise({ uid: "a", new_uid: "a2", content: "nobody is named here" });
  await verbs.replay({ uid: "a2" });
  await verbs.add({ uid: `of ${needle}`, content: 1, embedding: [1, 2] }, { idempotencyKey: `k ${needle}` });
  await verbs.revise({ uid: `of ${needle}`, new_uid: "late", content: 2, reason: "newer" });
  await verbs.add({ uid: "scoped", content: 3, scope: { user: needle } });
  await verbs.search({ text: "words", as_of: (await verbs.get({ uid: "b" })).created_at });
}

describe("erasure", () => {
  test("a subject goes from every byte, with chains, histories and answers; the rest is as it was", async () => {
    const path = stack.directory();
    const memory = await stack.start(path);
    await filled(memory);
    writeFileSync(join(path, "pathwayd/traces.log.damaged"), needle);
    writeFileSync(join(path, "pathwayd/traces.log.adopted-2026"), needle);
    const before = await memory.verbs.get({ uid: "b" });
    expect(filesWith(path, needle).length).toBeGreaterThan(3);

    const dry = await memory.verbs.erase({ subject: needle, ...reasons, dry_run: true });
    const uids = ["a", "a2", "b", "late", `of ${needle}`, "scoped"];
    expect({ ...dry, uids: dry.uids.toSorted() }).toEqual({ dry_run: true, erased: 6, uids, answers: 2 });
    expect(await memory.verbs.get({ uid: "b" })).toEqual(before);

    const done = await memory.verbs.erase({ subject: needle.toUpperCase(), ...reasons });
    expect(done).toMatchObject({ dry_run: false, erased: 6, answers: 2 });
    expect(filesWith(path, needle)).toEqual([]);

    const checked = async ({ verbs, notReady, durable }: Memory) => {
      expect(notReady()).toEqual([]);
      const findings = [];
      for await (const step of durable.inspect(new AbortController().signal))
        if ("finding" in step) findings.push(step.finding);
      expect(findings).toEqual([]);
      expect((await verbs.search({ include_retired: true, include_superseded: true })).results).toHaveLength(
        1,
      );
      expect((await verbs.search({ text: "words", as_of: before.created_at })).results).toEqual([]);
      expect(await verbs.stats({})).toMatchObject({ total: 7, live: 1, erased: 6, lost_changes: 0 });
      for (const as_of of [undefined, before.updated_at]) {
        const gone = await problem(verbs.get({ uid: "b", ...(as_of && { as_of }) }));
        expect(gone).toMatchObject({ type: "not_found", details: { uid: "b", erased: reasons } });
      }
      expect((await problem(verbs.get({ uid: `of ${needle}` }))).message).toContain("there is no trace");
      const { traces, changes } = await verbs.history({ uid: "late" });
      expect(traces).toEqual([]);
      expect(changes.map(({ kind, who, why }) => ({ kind, who, why }))).toEqual(
        [0, 1].map(() => ({ kind: "erased" as const, ...reasons })),
      );
      expect((await problem(verbs.add({ uid: "a", content: 1 }))).type).toBe("conflict");
      expect((await problem(verbs.update({ uid: "a", content: 1 }))).type).toBe("conflict");
      const again = verbs.add({ uid: "a", content: `met ${needle} today` }, { idempotencyKey: "key-a" });
      expect((await problem(again)).message).toContain("has been erased since");
      expect(await verbs.erase({ subject: needle, ...reasons })).toMatchObject({ erased: 0 });
    };
    await checked(memory);
    const again = await stack.again(memory, path);
    await checked(again);
    await again.verbs.compact({});
    await checked(await stack.again(again, path));
    expect(filesWith(path, needle)).toEqual([]);
  });

  test("by uids, scope and filter; what superseded or was superseded goes with it, and nothing comes back", async () => {
    const path = stack.directory();
    const memory = await stack.start(path);
    const { verbs } = memory;
    await verbs.add({ uid: "one", content: { team: "red" }, scope: { user: "u1" } });
    await verbs.add({ uid: "two", content: { team: "red" }, scope: { user: "u2" } });
    await verbs.add({ uid: "old", content: 1 });
    await verbs.revise({ uid: "old", new_uid: "new", content: 2 });
    const both = { scope: { user: "u1" }, filter: { team: "red" }, ...reasons };
    expect((await verbs.erase(both)).uids).toEqual(["one"]);
    expect((await verbs.erase({ uids: ["old"], ...reasons })).uids).toEqual(["old", "new"]);
    expect((await verbs.search({ include_superseded: true })).results.map(({ uid }) => uid)).toEqual(["two"]);
    const { verbs: later } = await stack.again(memory, path);
    expect((await later.search({ include_superseded: true })).results.map(({ uid }) => uid)).toEqual(["two"]);
  });

  test("what cannot be written erases nothing", async () => {
    const path = stack.directory();
    const memory = await stack.start(path);
    await memory.verbs.add({ uid: "a", content: needle });
    const folder = join(path, "pathwayd");
    const { chmodSync } = await import("node:fs");
    chmodSync(folder, 0o500);
    const outcome =
      process.getuid?.() === 0 ? undefined : await problem(memory.verbs.erase({ uids: ["a"], ...reasons }));
    chmodSync(folder, 0o700);
    if (outcome) expect(outcome.type).toBe("storage_full");
    if (outcome) expect((await memory.verbs.get({ uid: "a" })).content).toBe(needle);
    expect((await memory.verbs.erase({ uids: ["a"], ...reasons })).erased).toBe(1);
  });
});
