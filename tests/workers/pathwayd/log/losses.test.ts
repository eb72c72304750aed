/** A log that lacks what was acknowledged brings nothing back: it is closed, by name, until it is restored or accepted. */
import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { makeDirectory } from "../../../../runtime/durable/files.ts";
import { findingsOf } from "../../../support/durability/durable.ts";
import { losses } from "../../../support/durability/losses.ts";
import { logPath, perTest, readLog } from "../../../support/stacks/pathwayd.ts";

const stack = perTest();

describe.each(losses)("the log $name", ({ inflict }) => {
  test("is named by readiness, by every verb and by an inspection; nothing older is served", async () => {
    const path = stack.directory();
    const before = await stack.start(path);
    await before.verbs.add({ uid: "wrong", content: "word" });
    const older = readLog(path);
    await before.verbs.retire({ uid: "wrong", reason: "wrong" });
    await before.verbs.add({ uid: "last", content: "word" });
    await stack.again(before, stack.directory());
    inflict(logPath(path), older);
    const wasThere = existsSync(logPath(path));
    await makeDirectory(join(path, "pathwayd"));

    const memory = await stack.start(path);
    expect(memory.notReady()).toEqual([
      expect.stringMatching(/pathwayd\/traces\.log: .*acknowledged.*--adopt=pathwayd\/traces\.log/),
    ]);
    const { verbs } = memory;
    for (const ask of [
      () => verbs.search({ text: "word" }),
      () => verbs.get({ uid: "wrong" }),
      () => verbs.alive({ uids: ["wrong"] }),
      () => verbs.add({ content: "word" }),
      () => verbs.stats({}),
    ])
      await expect(ask()).rejects.toMatchObject({
        type: "corrupt",
        details: { place: "pathwayd/traces.log" },
      });
    const steps = await Array.fromAsync(memory.durable.inspect(new AbortController().signal));
    expect(steps).toEqual([
      {
        finding: {
          severity: "damage",
          place: "pathwayd/traces.log",
          problem: expect.stringMatching(/acknowledged/),
          remedy: expect.stringContaining("--adopt=pathwayd/traces.log"),
        },
      },
    ]);
    expect(existsSync(logPath(path))).toBe(wasThere);

    const accepted = await stack.again(memory, path, { adopted: (place) => place === "pathwayd/traces.log" });
    expect(accepted.notReady()).toEqual([]);
    await accepted.verbs.add({ uid: "next", content: "word" });
    const again = await stack.again(accepted, path);
    expect(again.notReady()).toEqual([]);
    expect(await findingsOf(again.durable)).toEqual([]);
    expect((await again.verbs.get({ uid: "next" })).uid).toBe("next");
  });
});
