/** The catalog in memory: etag, names, pages, waiting. */
import { describe, expect, test } from "bun:test";
import { systemClock } from "../../../../runtime/scheduling/clock.ts";
import { createChanges } from "../../../../workers/catalogd/registry/changes.ts";
import { page } from "../../../../workers/catalogd/registry/pages.ts";
import { createRegistry, type Head } from "../../../../workers/catalogd/registry/registry.ts";
import type { Version } from "../../../../workers/catalogd/versions/version.ts";

const version = (name: string, number = 1, operation: Version["operation"] = "replace"): Version => ({
  dataset_id: `00000000-0000-4000-8000-00000000000${number}`,
  name,
  version: number,
  schema_fingerprint: "f",
  columns: [{ name: "a", type: "BIGINT", nullable: true }],
  objects: [],
  row_count: 0,
  bytes: 0,
  operation,
  made_by: "t",
  created_at: "2026-01-01T00:00:00.000Z",
});
const registryOf = (...heads: Head[]) => {
  const registry = createRegistry();
  for (const head of heads) registry.put(head);
  return registry;
};

describe("the catalog's etag", () => {
  test("depends on the heads alone, not on their order or history", () => {
    const straight = registryOf(version("a", 2), version("b"));
    const winding = registryOf(version("b"), version("a"), version("a", 2));
    expect(winding.etag()).toBe(straight.etag());
  });

  test("differs after every commit, drops and damage included", () => {
    const registry = createRegistry();
    const etags = [registry.etag()];
    const steps: Head[] = [
      version("a"),
      version("a", 2),
      version("b", 2),
      version("a", 3, "drop"),
      version("a", 4),
      { name: "b", version: 3, reason: "torn" },
    ];
    for (const head of steps) {
      registry.put(head);
      etags.push(registry.etag());
    }
    expect(new Set(etags).size).toBe(steps.length + 1);
  });
});

describe("names", () => {
  test("are found as written, with a hint for another case", () => {
    const registry = registryOf(version("Workers"));
    expect(registry.manifest("Workers").name).toBe("Workers");
    expect(() => registry.manifest("workers")).toThrow(
      "no dataset named 'workers'; there is one named 'Workers'",
    );
    expect(() => registry.refuseCaseClash("WORKERS")).toThrow(
      "differs only by case from the dataset 'Workers'",
    );
    registry.refuseCaseClash("Workers");
  });

  test("of objects' own properties are names like others", () => {
    const registry = registryOf(version("__proto__"), version("constructor"));
    expect(() => registry.manifest("toString")).toThrow("no dataset named");
    expect(registry.manifests().map(({ name }) => name)).toEqual(["__proto__", "constructor"]);
  });

  test("are free in any case after a drop", () => {
    const registry = registryOf(version("Workers"), version("Workers", 2, "drop"));
    registry.refuseCaseClash("workers");
    registry.put(version("workers"));
    expect(() => registry.refuseCaseClash("Workers")).toThrow("differs only by case");
    expect(registry.manifests().map(({ name }) => name)).toEqual(["workers"]);
  });

  test("of damaged datasets stay taken, and nothing older is served", () => {
    const registry = registryOf(version("a"), { name: "a", version: 2, reason: "its file is torn" });
    expect(() => registry.manifest("a")).toThrow("dataset 'a': its file is torn");
    expect(() => registry.head("a")).toThrow("its file is torn");
    expect(() => registry.refuseCaseClash("A")).toThrow("differs only by case");
    expect(registry.manifests()).toEqual([]);
    expect(registry.damaged().map(({ name }) => name)).toEqual(["a"]);
  });
});

describe("pages", () => {
  const items = ["A", "B", "_", "a", "b"].map((name) => ({ name }));
  test("of every size give each item once, in order", () => {
    for (let size = 1; size <= 6; size++) {
      const seen: string[] = [];
      let token: string | undefined;
      do {
        const { items: some, next } = page(items, { token, size });
        seen.push(...some.map(({ name }) => name));
        token = next;
      } while (token !== undefined);
      expect(seen).toEqual(["A", "B", "_", "a", "b"]);
    }
  });
  test("go on where they were when items come and go", () => {
    const { next } = page(items, { token: undefined, size: 2 });
    const changed = ["A", "C", "a"].map((name) => ({ name }));
    expect(page(changed, { token: next, size: 2 }).items.map(({ name }) => name)).toEqual(["C", "a"]);
    expect(page([], { token: next, size: 2 })).toEqual({ items: [] });
  });
});

describe("waiting for a change", () => {
  const never = new AbortController().signal;
  const setUp = (waitersMax = 2) => {
    let etag = "1";
    const changes = createChanges({ clock: systemClock, waitersMax, etag: () => etag });
    const change = () => {
      etag = "2";
      changes.announce();
    };
    return { changes, change };
  };

  test("ends at once for another etag, and for no patience", async () => {
    const { changes } = setUp();
    await changes.wait("0", 60_000, never);
    await changes.wait("1", 0, never);
    expect(changes.waiting()).toBe(0);
  });

  test("ends with a change, with time, and at the stop", async () => {
    const { changes, change } = setUp();
    const waiting = changes.wait("1", 60_000, never);
    change();
    await waiting;
    await changes.wait("2", 1, never);
    const last = changes.wait("2", 60_000, never);
    changes.stop();
    await last;
    await changes.wait("2", 60_000, never);
    expect(changes.waiting()).toBe(0);
  });

  test("is given up with its caller", async () => {
    const { changes } = setUp();
    const caller = new AbortController();
    const waiting = changes.wait("1", 60_000, caller.signal);
    expect(changes.waiting()).toBe(1);
    caller.abort(new DOMException("The connection was closed.", "AbortError"));
    const gone = { type: "client_closed" };
    await expect(waiting).rejects.toMatchObject(gone);
    await expect(changes.wait("1", 60_000, caller.signal)).rejects.toMatchObject(gone);
    expect(changes.waiting()).toBe(0);
  });

  test("is bounded", async () => {
    const { changes } = setUp(2);
    const waiting = [changes.wait("1", 60_000, never), changes.wait("1", 60_000, never)];
    await expect(changes.wait("1", 60_000, never)).rejects.toThrow("2 callers wait for a change already");
    changes.stop();
    await Promise.all(waiting);
  });
});
