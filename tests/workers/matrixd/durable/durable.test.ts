/** Snapshots of logs and corpora while they are refreshed and built, restores beside a younger vectord, and inspections. */

import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readdirSync, rmSync } from "node:fs";
import { cp } from "node:fs/promises";
import { join, relative } from "node:path";
import type { Durable, Finding } from "../../../../runtime/durable/inspection.ts";
import { fail } from "../../../../runtime/errors/errors.ts";
import { openDatabase, readState } from "../../../../workers/matrixd/lexicon/database.ts";
import { inspectDatabase } from "../../../../workers/matrixd/lexicon/inspection.ts";
import { copyFiles, copySnapshot, findingsOf, flipIn } from "../../../support/durability/durable.ts";
import { takeAsTheyAre } from "../../../support/durability/marked.ts";
import { temporaryDirectory } from "../../../support/stacks/in-process.ts";
import { type MatrixdPeers, type MatrixdStack, startMatrixdStack } from "../../../support/stacks/matrixd.ts";

let stack: MatrixdStack;
const lostTraces = new Set<string>();
let isVectordAway = false;
const peers = (all: MatrixdPeers): MatrixdPeers => ({
  ...all,
  vectord: {
    ...all.vectord,
    verbs: {
      ...all.vectord.verbs,
      info: async (input, options) => {
        if (isVectordAway) throw fail("unavailable", "vectord is not running");
        return all.vectord.verbs.info(input, options);
      },
    },
  },
  pathwayd: {
    ...all.pathwayd,
    verbs: {
      ...all.pathwayd.verbs,
      alive: async ({ uids }, options) => {
        const { alive } = await all.pathwayd.verbs.alive({ uids }, options);
        return { alive: alive.filter((uid) => !lostTraces.has(uid)) };
      },
      get: async (input, options) => {
        if (lostTraces.has(input.uid)) throw fail("not_found", "no such trace");
        return all.pathwayd.verbs.get(input, options);
      },
    },
  },
});
const directories: { remove: () => void }[] = [];
beforeAll(async () => {
  stack = await startMatrixdStack({ peers });
});
afterAll(async () => {
  await stack.stop();
  for (const { remove } of directories.splice(0)) remove();
});

const fresh = (): string => {
  const made = temporaryDirectory("matrixd-point");
  directories.push(made);
  return made.path;
};
const durable = () => stack.matrixd.running.durable as Durable;
const home = () => join(stack.config.data_dir, "matrixd");
const spec = (name: string) => ({ name, dataset: name, id_column: "id", text_columns: ["role"] });
/** Rows from..to; those below `changed` are of `mark`, and every tenth has no text. */
const make = (name: string, { from = 0, to = 200, changed = 0, mark = "" } = {}) =>
  stack.dataset(
    name,
    `SELECT 'r' || i AS id, CASE WHEN i % 10 = 9 THEN '' ELSE 'worker ' || i || ' of ${name}' ||
     CASE WHEN i < ${changed} THEN ' ${mark}' ELSE '' END END AS role FROM range(${from}, ${to}) t(i)`,
  );
const find = async (name: string, text: string, mode: string, k = 3): Promise<string[]> => {
  const { body, status } = await stack.post("/search", { query_text: text, corpora: [name], k, mode });
  if (status !== 200) throw new Error(JSON.stringify(body));
  return body.hits.map(({ id }: { id: string }) => id);
};
/** As a restore leaves it. */
const asRestored = () => {
  const files = readdirSync(home(), { recursive: true, withFileTypes: true }).filter((each) => each.isFile());
  const paths = files.map(({ parentPath, name }) => relative(home(), join(parentPath, name)));
  return takeAsTheyAre(home(), paths);
};
const restoreFrom = (copy: string) =>
  stack.restart(async () => {
    rmSync(home(), { recursive: true });
    await cp(copy, home(), { recursive: true });
    await asRestored();
  });
const placesOf = (findings: Finding[]) => findings.map(({ place }) => place);
const liveFile = (name: string): string => {
  const [directory = ""] = readdirSync(join(home(), "corpora")).filter((each) => each.startsWith(`${name}.`));
  const [file = ""] = readdirSync(join(home(), "corpora", directory)).filter((each) =>
    each.endsWith(".sqlite"),
  );
  return join(home(), "corpora", directory, file);
};
const cleared = async (name: string) => {
  while (!told("came from a backup").some(({ corpus }) => corpus === name)) await Bun.sleep(5);
};
const told = (text: string) =>
  stack.matrixd.log.filter(({ msg, message }) => `${msg ?? message}`.includes(text));

describe("points", () => {
  test("a restored corpus beside a younger vectord is what it was, and no vector of later rows is in it", async () => {
    await make("older");
    await stack.build(spec("older"));
    await stack.verbs.record({ query_text: "who?", corpus: "older", answer_id: "r3" });
    const snapshot = await durable().snapshot();
    // Refreshed before the copy is made, and after it.
    await make("older", { from: 50, to: 240, changed: 120, mark: "promoted" });
    await stack.build(spec("older"));
    const copy = fresh();
    const paths = await copyFiles(snapshot, copy);
    expect(paths.map((path) => path.replace(/\.[0-9a-f]{8}/, "").replace(/[0-9a-f]{8}\./, "X."))).toEqual([
      "playbooks.log",
      "profiles.log",
      "jobs.jsonl",
      "corpora/older/corpus.json",
      "corpora/older/X.sqlite",
    ]);
    expect(existsSync(join(home(), "copies"))).toBe(true);
    expect(readdirSync(join(home(), "copies"))).toEqual([]);
    await make("older", { from: 50, to: 400, changed: 300, mark: "again" });
    await stack.build(spec("older"));

    await restoreFrom(copy);
    await snapshot.end();
    expect(await stack.verbs.corpus({ name: "older" })).toMatchObject({ rows: 200, generation: 1 });
    for (let row = 0; row < 200; row += 7) {
      if (row % 10 === 9) continue;
      expect((await find("older", `worker ${row} of older`, "vector"))[0]).toBe(`r${row}`);
      expect(await find("older", `${row}`, "lexical")).toEqual([`r${row}`]);
    }
    expect(await find("older", "promoted", "lexical")).toEqual([]);
    await cleared("older");
    expect(await findingsOf(durable())).toEqual([]);
    expect((await stack.verbs.playbooks({})).playbooks).toHaveLength(1);

    // New rows get numbers that vectord never saw: a row without text is found by no vector.
    await make("older", { to: 300 });
    await stack.build(spec("older"));
    expect((await find("older", "worker 250 of older", "vector"))[0]).toBe("r250");
    const all = await find("older", "worker 250 of older", "vector", 300);
    expect(all.filter((id) => Number(id.slice(1)) % 10 === 9)).toEqual([]);
    expect(all).toHaveLength(270);
    expect(await findingsOf(durable())).toEqual([]);
  });

  test("a build that replaced the one of the snapshot is a leftover after the restore, and the remedy takes it away", async () => {
    await make("replaced");
    await stack.build(spec("replaced"));
    const snapshot = await durable().snapshot();
    const copy = fresh();
    await copyFiles(snapshot, copy);
    await stack.build({ ...spec("replaced"), metadata_columns: ["id"] });
    const { index = "" } = await stack.verbs.corpus({ name: "replaced" });
    await restoreFrom(copy);
    await snapshot.end();
    expect((await find("replaced", "worker 5 of replaced", "vector"))[0]).toBe("r5");
    await cleared("replaced");
    expect(await findingsOf(durable())).toEqual([
      {
        severity: "leftover",
        place: `vectord index ${index}`,
        problem: expect.any(String),
        remedy: expect.stringContaining(`DELETE /v1/vectors/index/${index}`),
      },
    ]);
    await stack.vectord.peer.verbs.drop({ name: index });
    expect(await findingsOf(durable())).toEqual([]);
  });

  test("snapshots taken while corpora change over have the database that their records name", async () => {
    await make("changing", { to: 5 });
    let isOver = false;
    const building = (async () => {
      for (let at = 0; at < 12; at++)
        await stack.build({
          ...spec(at < 8 ? `changing-${at}` : "changing-0"),
          dataset: "changing",
          ...(at % 2 === 0 && { metadata_columns: ["id"] }),
        });
    })().finally(() => {
      isOver = true;
    });
    while (!isOver) {
      const snapshot = await durable().snapshot();
      const paths = (await Array.fromAsync(snapshot.files())).map(({ path }) => path);
      for (const path of paths.filter((each) => /changing.*corpus\.json$/.test(each))) {
        const record = await new Response(await snapshot.open(path)).text();
        const [, live] = /"live":"(\w+)"/.exec(record) ?? [];
        if (live !== undefined) expect(paths).toContain(path.replace("corpus.json", `${live}.sqlite`));
      }
      await snapshot.end();
    }
    await building;
    for (let at = 0; at < 8; at++) await stack.verbs.drop({ name: `changing-${at}` });
  });

  test("snapshots under refreshes, builds, drops and recordings are whole", async () => {
    await make("busy");
    await stack.build(spec("busy"));
    let isOver = false;
    let builds = 0;
    const refreshing = (async () => {
      for (; !isOver; builds++) {
        await make("busy", { from: builds % 30, changed: builds % 90, mark: `mark ${builds}` });
        await stack.build({ ...spec("busy"), ...(builds % 3 === 0 && { metadata_columns: ["id"] }) });
      }
    })();
    const dropping = (async () => {
      while (!isOver) {
        await make("passing", { to: 20 });
        await stack.build(spec("passing"));
        await stack.verbs.drop({ name: "passing" });
      }
    })();
    const recorded = new Set<string>();
    const recording = (async () => {
      for (let at = 0; !isOver; at++) {
        const { playbook } = await stack.verbs.record({
          query_text: `question ${at}`,
          corpus: "busy",
          answer_id: `r${100 + (at % 50)}`,
        });
        recorded.add(playbook.playbook_id);
        if (at % 20 === 0) await stack.verbs.consolidate({ dry_run: true });
      }
    })();
    try {
      for (let round = 0; round < 6; round++) {
        for (const until = builds + 1; builds < until; ) await Bun.sleep(5);
        const before = { ids: [...recorded], corpus: await stack.verbs.corpus({ name: "busy" }) };
        const copy = fresh();
        const paths = await copySnapshot(await durable().snapshot(), copy);
        const [file = ""] = paths.filter((path) => /^corpora\/busy\..*sqlite$/.test(path));
        const database = openDatabase(join(copy, file));
        const state = readState(database);
        database.close();
        expect(state.generation).toBeGreaterThanOrEqual(before.corpus.generation);
        const problems = [...inspectDatabase(join(copy, file), state.generation)].flatMap(
          (step) => step.problems,
        );
        expect(problems).toEqual([]);
        const log = await Bun.file(join(copy, "playbooks.log")).text();
        for (const id of before.ids) expect(log).toContain(id);
        expect(log.endsWith("\n")).toBe(true);
        const record = await Bun.file(join(copy, file, "..", "corpus.json")).text();
        expect(record).toContain(`"live":"${file.slice(-15, -7)}"`);
        expect(await findingsOf(durable())).toEqual([]);
      }
    } finally {
      isOver = true;
    }
    await Promise.all([refreshing, dropping, recording]);
  });
});

describe("inspections", () => {
  test("a row that is not what was written is found; a build mends it while searches go on", async () => {
    await make("rows");
    await stack.build(spec("rows"));
    await stack.restart(() => flipIn(liveFile("rows"), "worker 77 of rows"));
    const findings = await findingsOf(durable());
    expect(findings.map(({ problem }) => problem)).toEqual([
      expect.stringContaining("(id 'r77') is not what was written"),
      expect.stringContaining("its index of words"),
    ]);
    expect(findings[0]?.place).toMatch(/^matrixd\/corpora\/rows\.[0-9a-f]{8}\/[0-9a-f]{8}\.sqlite$/);
    expect(findings[0]?.remedy).toContain("POST /v1/matrix/corpora");
    expect(await find("rows", "5", "lexical")).toEqual(["r5"]);
    expect(await stack.build(spec("rows"))).toMatchObject({ refresh: false });
    expect(await findingsOf(durable())).toEqual([]);
  });

  test("words that the index lost are found", async () => {
    await make("words");
    await stack.build(spec("words"));
    await stack.restart(() => {
      const database = new Database(liveFile("words"));
      database.run("DELETE FROM words WHERE rowid = 42");
      database.close();
    });
    expect((await findingsOf(durable())).map(({ problem }) => problem)).toEqual([
      expect.stringMatching(/^its index of words has \d+ places, and the texts have \d+$/),
    ]);
    await stack.build(spec("words"));
    expect(await findingsOf(durable())).toEqual([]);
  });

  test("vectors and indexes that vectord lost are found, and a build makes them anew", async () => {
    await make("vectors");
    await stack.build(spec("vectors"));
    const { index: first = "" } = await stack.verbs.corpus({ name: "vectors" });
    await stack.vectord.peer.verbs.remove({ name: first, ids: ["5", "6"] });
    expect((await findingsOf(durable())).map(({ place, problem }) => `${place}: ${problem}`)).toEqual([
      `vectord index ${first}: it has 178 vectors for 180 rows with text`,
    ]);
    expect(await stack.build(spec("vectors"))).toMatchObject({ embedded: 180 });
    expect(await findingsOf(durable())).toEqual([]);
    const { index = "" } = await stack.verbs.corpus({ name: "vectors" });
    await stack.vectord.peer.verbs.drop({ name: index });
    expect(placesOf(await findingsOf(durable()))).toEqual([`vectord index ${index}`]);
    await stack.build(spec("vectors"));
    expect(await findingsOf(durable())).toEqual([]);
  });

  test("a vectord that cannot be asked is no damage: the rest is read, and the inspection says what was not", async () => {
    await make("alone");
    await stack.build(spec("alone"));
    isVectordAway = true;
    const seen: string[] = [];
    const inspect = async () => {
      for await (const each of durable().inspect(new AbortController().signal))
        seen.push("finding" in each ? each.finding.place : each.progress.of);
    };
    await expect(inspect()).rejects.toThrow("vectord is not running");
    isVectordAway = false;
    expect(seen).toContain("rows and words of corpus alone");
    expect(seen.filter((place) => place.startsWith("vectord index"))).toEqual([]);
    expect(await findingsOf(durable())).toEqual([]);
    await stack.verbs.drop({ name: "alone" });
  });

  test("a damaged record of a corpus is found, before a start and after", async () => {
    await make("record");
    await stack.build(spec("record"));
    const record = join(liveFile("record"), "..", "corpus.json");
    flipIn(record, "id_column");
    expect((await findingsOf(durable())).map(({ place }) => place)).toEqual([
      expect.stringMatching(/^matrixd\/corpora\/record\.[0-9a-f]{8}\/corpus\.json$/),
    ]);
    await stack.build(spec("record"));
    expect(await findingsOf(durable())).toEqual([]);
    await stack.restart(() => flipIn(record, "id_column"));
    const [known] = await findingsOf(durable());
    expect(known?.problem).toContain("the corpus is damaged: the checksum of corpus.json");
    await stack.build(spec("record"));
    const leftovers = await findingsOf(durable());
    expect(leftovers.map(({ severity }) => severity)).toEqual(["leftover"]);
    for (const { place } of leftovers)
      await stack.vectord.peer.verbs.drop({ name: place.slice("vectord index ".length) });
  });

  test("flipped bits in the logs are found, and their remedies hold", async () => {
    await make("logs");
    await stack.build(spec("logs"));
    await stack.verbs.record({ query_text: "flipped question", corpus: "logs", answer_id: "r1" });
    const profile = { corpora: ["logs"], note: undefined };
    await stack.put("/profiles/first", { corpora: profile.corpora });
    flipIn(join(home(), "playbooks.log"), "flipped question");
    flipIn(join(home(), "profiles.log"), '"first"');
    flipIn(join(home(), "jobs.jsonl"), "logs");
    const findings = await findingsOf(durable());
    expect(placesOf(findings)).toEqual([
      expect.stringMatching(/^matrixd\/playbooks\.log line \d+$/),
      expect.stringMatching(/^matrixd\/profiles\.log line \d+$/),
      expect.stringMatching(/^matrixd\/jobs\.jsonl line \d+$/),
    ]);
    await stack.verbs.consolidate({ accept_damage: true });
    expect((await stack.put("/profiles/first", { corpora: ["logs"] })).status).toBe(200);
    expect(placesOf(await findingsOf(durable()))).toEqual([expect.stringContaining("jobs.jsonl")]);
    await stack.restart();
    expect((await stack.verbs.playbooks({})).playbooks.map(({ query_text }) => query_text)).toContain(
      "flipped question",
    );
    expect((await stack.verbs.profiles({})).profiles.map(({ name }) => name)).toContain("first");
    await stack.restart(async () => {
      rmSync(join(home(), "jobs.jsonl"));
      await asRestored();
    });
  });

  test("a playbook whose trace pathwayd does not have is found; one whose trace is retired is not", async () => {
    await make("traced");
    await stack.build(spec("traced"));
    for (const uid of ["kept", "retired", "lost"]) {
      await stack.pathwayd.peer.verbs.add({ uid, content: uid });
      await stack.verbs.record({ query_text: uid, corpus: "traced", answer_id: "r1", trace_uid: uid });
    }
    await stack.pathwayd.peer.verbs.retire({ uid: "retired" });
    lostTraces.add("lost");
    const [finding, ...others] = await findingsOf(durable());
    expect(others).toEqual([]);
    expect(finding?.problem).toContain("trace 'lost'");
    const id = finding?.place.split(" ").at(-1) ?? "";
    expect((await stack.del(`/playbooks/${id}`)).status).toBe(200);
    expect(await findingsOf(durable())).toEqual([]);
  });
});
