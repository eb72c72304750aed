/** Files of matrixd that lack what was acknowledged: each closes what it is of, by name, and nothing else. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Durable } from "../../../../runtime/durable/inspection.ts";
import { findingsOf } from "../../../support/durability/durable.ts";
import { type Loss, losses } from "../../../support/durability/losses.ts";
import { temporaryDirectory } from "../../../support/stacks/in-process.ts";
import { type MatrixdStack, startMatrixdStack } from "../../../support/stacks/matrixd.ts";

let stack: MatrixdStack;
const kept = temporaryDirectory("matrixd-losses");
const [older, good] = [join(kept.path, "older"), join(kept.path, "good")];
const home = () => join(stack.config.data_dir, "matrixd");
const marksFile = () => join(stack.config.data_dir, "marks", "matrixd.log");
const spec = { name: "people", dataset: "people", id_column: "id", text_columns: ["role"] };
const make = (mark: string) =>
  stack.dataset("people", `SELECT 'r' || i AS id, 'worker ' || i || ' ${mark}' AS role FROM range(50) t(i)`);
const trackedWrites = async (mark: string) => {
  await make(mark);
  await stack.build(spec);
  await stack.verbs.record({ query_text: mark, corpus: "people", answer_id: "r1" });
  expect((await stack.put(`/profiles/${mark}`, { corpora: ["people"] })).status).toBe(200);
};
const save = (to: string) => {
  cpSync(home(), to, { recursive: true });
  cpSync(marksFile(), `${to}.marks`);
};
/** All as it was acknowledged. */
const reset = () => {
  rmSync(home(), { recursive: true, force: true });
  cpSync(good, home(), { recursive: true });
  cpSync(`${good}.marks`, marksFile());
};

beforeAll(async () => {
  stack = await startMatrixdStack();
  await trackedWrites("first");
  await stack.restart(() => save(older));
  await trackedWrites("second");
  await stack.restart(() => save(good));
});
afterAll(async () => {
  await stack.stop();
  kept.remove();
});

const corpusFile = (end: string): string => {
  const [directory = ""] = readdirSync(join(good, "corpora"));
  const name = readdirSync(join(good, "corpora", directory)).find((each) => each.endsWith(end)) ?? "";
  return join("corpora", directory, name);
};
const search = (more: object = {}) => stack.post("/search", { query_text: "worker 5", k: 3, ...more });
const readiness = async (): Promise<string> => {
  const reasons = () => stack.matrixd.running.notReady?.() ?? [];
  // Databases are looked through in the background.
  while (reasons().length === 0) await Bun.sleep(5);
  return reasons().join("\n");
};

interface Kept {
  file: () => string;
  place: RegExp;
  /** What must say that it is corrupt. */
  closed: () => Promise<{ status: number; body: { error: { type: string } } }>;
  isClosed?: false;
}
const files: Record<string, Kept> = {
  "playbooks.log": {
    file: () => "playbooks.log",
    place: /matrixd\/playbooks\.log/,
    closed: () => stack.get("/playbooks"),
  },
  "profiles.log": {
    file: () => "profiles.log",
    place: /matrixd\/profiles\.log/,
    closed: () => stack.get("/profiles"),
  },
  "jobs.jsonl": { file: () => "jobs.jsonl", place: /matrixd\/jobs\.jsonl/, closed: () => stack.get("/jobs") },
  "corpus.json": {
    file: () => corpusFile(".json"),
    place: /people/,
    closed: () => search({ corpora: ["people"] }),
  },
  "a corpus's database": {
    file: () => corpusFile(".sqlite"),
    place: /people/,
    closed: () => search({ corpora: ["people"] }),
  },
};
const inPlace = losses.filter(({ name }) => !name.includes("folder"));
const cases = Object.entries(files).flatMap(([name, file]) =>
  inPlace.map((loss): [string, string, Kept, Loss] => [name, loss.name, file, loss]),
);

describe("a file", () => {
  test.each(cases)(
    "%s, %s, is named, and what it is of is closed",
    async (name, _, { file, place, closed }, loss) => {
      const path = join(home(), file());
      await stack.restart(() => {
        reset();
        loss.inflict(path, readFileSync(join(older, file())));
        for (const end of ["-wal", "-shm"]) rmSync(`${path}${end}`, { force: true });
      });
      const found = await findingsOf(stack.matrixd.running.durable as Durable);
      const damage = found.filter(({ severity }) => severity === "damage");
      expect(damage.map((each) => `${each.place} ${each.problem}`).join()).toMatch(place);
      expect(found.every(({ severity }) => severity === "damage")).toBe(true);
      expect(await readiness()).toMatch(place);
      expect(await closed()).toMatchObject({ status: 500, body: { error: { type: "corrupt" } } });
      if (loss.name === "removed") expect(existsSync(path)).toBe(false);
      // All else goes on.
      for (const [other, { closed: answers }] of Object.entries(files)) {
        const isCorpus = [name, other].every((each) => each.includes("corpus"));
        if (other !== name && !isCorpus) expect((await answers()).status).toBe(200);
      }
    },
  );

  test("that is older is taken when that is accepted, and a corpus comes back by a build", async () => {
    await stack.restart(
      () => {
        reset();
        for (const name of ["playbooks.log", "profiles.log", "jobs.jsonl"])
          cpSync(join(older, name), join(home(), name));
        cpSync(join(older, corpusFile(".json")), join(home(), corpusFile(".json")));
      },
      (place) => ["playbooks.log", "profiles.log", "jobs.jsonl"].includes(place.replace("matrixd/", "")),
    );
    expect((await stack.verbs.playbooks({})).playbooks.map(({ query_text }) => query_text)).toEqual([
      "first",
    ]);
    expect(await readiness()).toMatch(/people.*older copy/);
    await stack.build(spec);
    expect(stack.matrixd.running.notReady?.()).toEqual([]);
    await stack.restart();
    expect(stack.matrixd.running.notReady?.()).toEqual([]);
    expect((await search({ corpora: ["people"] })).status).toBe(200);
  });
});

test("a whole folder that is gone is named with all that was in it, and not begun anew", async () => {
  await stack.restart(() => {
    reset();
    rmSync(home(), { recursive: true });
    mkdirSync(home());
  });
  const reasons = (stack.matrixd.running.notReady?.() ?? []).join("\n");
  for (const { place } of Object.values(files)) expect(reasons).toMatch(place);
  for (const { closed } of Object.values(files)) expect((await closed()).body.error.type).toBe("corrupt");
  expect(readdirSync(home()).filter((name) => /playbooks|profiles|jobs/.test(name))).toEqual([]);
  expect(readdirSync(join(home(), "corpora"))).toEqual([]);
});

test("a folder of a corpus that is gone closes that corpus; dropping it is the end of it", async () => {
  const path = () => join(home(), dirname(corpusFile(".json")));
  await stack.restart(() => {
    reset();
    rmSync(path(), { recursive: true });
  });
  expect(await readiness()).toMatch(/people.*corpus\.json is gone/);
  expect((await stack.del("/corpora/people")).status).toBe(200);
  await stack.restart();
  expect(stack.matrixd.running.notReady?.()).toEqual([]);
  expect((await stack.get("/corpora/people")).status).toBe(404);
});
