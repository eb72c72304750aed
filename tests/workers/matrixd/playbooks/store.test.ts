/** Playbooks on disk: what a restart, a damaged log and a compaction leave. */
import { afterEach, describe, expect, test } from "bun:test";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { takeAsTheyAre } from "../../../support/durability/marked.ts";
import { temporaryDirectory } from "../../../support/stacks/in-process.ts";
import { type PlaybookStack, startPlaybookStack } from "../../../support/stacks/playbooks.ts";

const home = temporaryDirectory("playbook-store");
const stacks: PlaybookStack[] = [];
let runs = 0;
const open = async (directory = join(home.path, String(runs++)), settings = {}) => {
  const stack = await startPlaybookStack({ directory, settings });
  stacks.push(stack);
  return stack;
};
const close = async (stack: PlaybookStack) => {
  stacks.splice(stacks.indexOf(stack), 1);
  await stack.stop();
};
afterEach(async () => {
  for (const stack of [...stacks]) await close(stack);
});

const logOf = ({ directory }: PlaybookStack) => join(directory, "matrixd", "playbooks.log");
const all = async ({ verbs }: PlaybookStack) => (await verbs.playbooks({ page_size: 1000 })).playbooks;

async function filled(count: number): Promise<{ stack: PlaybookStack; ids: string[] }> {
  const stack = await open();
  const ids: string[] = [];
  for (let at = 0; at < count; at++) {
    const { playbook } = await stack.verbs.record({
      query_text: `question ${at}`,
      corpus: "workers",
      answer_id: `w${at}`,
    });
    ids.push(playbook.playbook_id);
  }
  return { stack, ids };
}

test("a restart brings back every playbook with its counters, aliases and order", async () => {
  const { stack, ids } = await filled(10);
  await stack.verbs.helpful({ playbook_id: ids[3] as string });
  await stack.verbs.harmful({ playbook_id: ids[4] as string });
  await stack.verbs.forget({ playbook_id: ids[5] as string });
  await stack.verbs.record({ query_text: "QUESTION 6", corpus: "workers", answer_id: "w6" });
  const before = await all(stack);
  expect(before).toHaveLength(9);
  await close(stack);
  const again = await open(stack.directory);
  expect(await all(again)).toEqual(before);
  expect(again.notReady()).toEqual([]);
});

describe("damage", () => {
  test("a flipped bit is reported with its place, and the rest is served", async () => {
    const { stack, ids } = await filled(10);
    const file = logOf(stack);
    await close(stack);
    const bytes = readFileSync(file);
    const at = bytes.indexOf("question 4");
    bytes[at] = (bytes[at] as number) ^ 1;
    writeFileSync(file, bytes);
    const again = await open(stack.directory);
    const kept = (await all(again)).map(({ playbook_id }) => playbook_id);
    expect(kept.sort()).toEqual(ids.filter((_, place) => place !== 4).sort());
    expect(again.notReady().join()).toContain("playbooks.log: a line damaged (checksum)");
    await again.verbs.consolidate({ dry_run: true, accept_damage: true });
    expect(again.notReady()).toHaveLength(1);
    await again.verbs.consolidate({ accept_damage: true });
    expect(again.notReady()).toEqual([]);
    expect(readFileSync(`${file}.damaged`, "latin1")).toContain("uestion");
    await close(again);
    const clean = await open(stack.directory);
    expect(clean.notReady()).toEqual([]);
    expect(await all(clean)).toHaveLength(9);
  });

  test("a later change heals what a damaged line held", async () => {
    const { stack, ids } = await filled(3);
    await stack.verbs.helpful({ playbook_id: ids[1] as string });
    const before = await all(stack);
    const file = logOf(stack);
    await close(stack);
    const bytes = readFileSync(file);
    bytes[bytes.indexOf("question 1")] = 0x51;
    writeFileSync(file, bytes);
    expect(await all(await open(stack.directory))).toEqual(before);
  });

  test.each([1, 7, 60])("a last line cut by %d bytes is dropped, and the log goes on", async (cut) => {
    const { stack, ids } = await filled(5);
    const file = logOf(stack);
    await close(stack);
    const bytes = readFileSync(file);
    writeFileSync(file, bytes.subarray(0, bytes.length - cut));
    // As a crash leaves it: it was never marked.
    await takeAsTheyAre(dirname(file), [basename(file)]);
    const again = await open(stack.directory);
    expect((await all(again)).map(({ playbook_id }) => playbook_id).sort()).toEqual(ids.slice(0, 4).sort());
    await again.verbs.record({ query_text: "another", corpus: "workers", answer_id: "w50" });
    await close(again);
    expect(await all(await open(stack.directory))).toHaveLength(5);
  });

  test("a log of a newer version is refused, not overwritten", async () => {
    const { stack } = await filled(1);
    const file = logOf(stack);
    await close(stack);
    const record = '{"format":"lakehouse.playbooks","version":2}';
    const crc = Bun.hash.crc32(record).toString(16).padStart(8, "0");
    const text = `{"crc32":"${crc}","record":${record}}\n`;
    writeFileSync(file, text);
    await expect(startPlaybookStack({ directory: stack.directory })).rejects.toThrow("newer version");
    expect(readFileSync(file, "utf8")).toBe(text);
  });
});

test("the log is written anew under load: what is there stays, and the file stays small", async () => {
  const { stack, ids } = await filled(20);
  const sizes: number[] = [];
  for (let round = 0; round < 8; round++) {
    await Promise.all(
      Array.from({ length: 200 }, (_, at) => stack.verbs.helpful({ playbook_id: ids[at % 20] as string })),
    );
    sizes.push(statSync(logOf(stack)).size);
  }
  const before = await all(stack);
  expect(before.map(({ helpful }) => helpful)).toEqual(Array(20).fill(80));
  // 1,620 records were written, and about a thousand may stand.
  expect(sizes.at(-1)).toBeLessThan(Math.max(...sizes));
  await close(stack);
  expect(await all(await open(stack.directory))).toEqual(before);
});

describe("memory", () => {
  const asked = (at: number) => ({ query_text: `question ${at}`, corpus: "workers", answer_id: `w${at}` });
  const full = { type: "memory_full", status: 507 };

  test("a playbook that does not fit is refused with the figures; forgetting makes room", async () => {
    const stack = await open(undefined, { max_memory_bytes: 10_000 });
    const { playbook } = await stack.verbs.record(asked(0));
    let refused: unknown;
    for (let at = 1; at < 20 && !refused; at++)
      await stack.verbs.record(asked(at)).catch((cause) => {
        refused = cause;
      });
    expect(refused).toMatchObject({ ...full, details: { budget_bytes: 10_000 } });
    expect(refused).toMatchObject({
      message: expect.stringContaining("playbooks.log takes no more: it needs"),
    });
    const before = (await all(stack)).length;
    expect(before).toBeLessThan(19);
    await stack.verbs.forget({ playbook_id: playbook.playbook_id });
    expect((await all(stack)).length).toBe(before - 1);
  });

  test("a start leaves closed what does not fit and names it; the rest works, and nothing is lost", async () => {
    const { stack } = await filled(10);
    const { directory } = stack;
    await close(stack);
    const small = await open(directory, { max_memory_bytes: 5000 });
    const closed = expect.stringContaining("playbooks.log stays closed: to be read it needs");
    expect(small.notReady()).toEqual([closed]);
    await expect(small.verbs.playbooks({})).rejects.toMatchObject({ ...full, message: closed });
    await expect(small.verbs.record(asked(11))).rejects.toMatchObject({ ...full, message: closed });
    expect((await small.verbs.profiles({})).profiles).toEqual([]);
    await close(small);
    expect((await all(await open(directory))).length).toBe(10);
  });
});
