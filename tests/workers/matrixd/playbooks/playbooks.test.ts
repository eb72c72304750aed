/** Playbooks through matrixd's face: recorded, merged, matched, judged, listed, forgotten. */
import { afterEach, describe, expect, test } from "bun:test";
import { boostMax } from "../../../../workers/matrixd/playbooks/boost.ts";
import { temporaryDirectory } from "../../../support/stacks/in-process.ts";
import {
  type PlaybookStack,
  type PlaybookStackOptions,
  startPlaybookStack,
} from "../../../support/stacks/playbooks.ts";

let stack: PlaybookStack;
afterEach(() => stack.stop());
const start = async (options?: PlaybookStackOptions) => {
  stack = await startPlaybookStack(options);
  return stack;
};
const asked = "forklift operator with OSHA-10 near Chicago";
const paraphrased = "who in the Chicago area can operate a forklift and has OSHA-10";
const answer = { corpus: "workers", answer_id: "w7" };

describe("recording", () => {
  test("remembers the answer, and a paraphrase finds it", async () => {
    const { verbs, match } = await start();
    const { playbook, merged } = await verbs.record({
      query_text: asked,
      ...answer,
      score: 0.9,
      tags: ["a"],
    });
    expect(merged).toBe(false);
    expect(playbook).toMatchObject({
      query_text: asked,
      answer_id: "w7",
      score: 0.9,
      helpful: 0,
      harmful: 0,
    });
    expect(await verbs.playbook({ playbook_id: playbook.playbook_id })).toEqual(playbook);
    const [found, ...others] = await match(paraphrased);
    expect(others).toEqual([]);
    expect(found).toMatchObject({ playbook_id: playbook.playbook_id, corpus: "workers", answer_id: "w7" });
    expect(found?.similarity).toBeGreaterThan(0.6);
    expect(found?.boost).toBeGreaterThan(0.1 * boostMax);
    expect(found?.because).toContain(asked);
  });

  test("an equal wording strengthens what is there, whatever its case and spaces, and asks embedd nothing", async () => {
    const { verbs, embedded } = await start();
    const first = await verbs.record({ query_text: asked, ...answer, score: 1, tags: ["a"] });
    const again = await verbs.record({
      query_text: ` ${asked.toUpperCase()}  `,
      ...answer,
      score: 0.5,
      tags: ["b"],
      note: "on site",
    });
    expect(again.merged).toBe(true);
    expect(again.playbook).toMatchObject({
      playbook_id: first.playbook.playbook_id,
      helpful: 1,
      score: 0.75,
      tags: ["a", "b"],
      note: "on site",
    });
    expect(again.playbook.aliases).toBeUndefined();
    expect(embedded).toEqual([]);
  });

  test("a wording from the threshold on becomes an alias; another question stays apart", async () => {
    const { verbs } = await start();
    const query_text = "certified forklift operator with OSHA-10 card for the night shift near Chicago";
    const first = await verbs.record({ query_text, ...answer });
    const near = await verbs.record({ query_text: query_text.replace("card", "cards"), ...answer });
    expect(near.merged).toBe(true);
    expect(near.playbook.aliases).toEqual([query_text.replace("card", "cards")]);
    const far = await verbs.record({ query_text: paraphrased, ...answer });
    expect(far.merged).toBe(false);
    const otherRow = await verbs.record({ query_text, corpus: "workers", answer_id: "w8" });
    expect(otherRow.merged).toBe(false);
    expect(first.playbook.playbook_id).not.toBe(far.playbook.playbook_id);
  });

  test("a note needs no answer, and is another one when it says something else", async () => {
    const { verbs, match } = await start();
    const note = { query_text: asked, corpus: "workers", note: "OSHA cards expire: look at the date" };
    const first = await verbs.record(note);
    expect(first.playbook.answer_id).toBeUndefined();
    const again = await verbs.record({ ...note, note: note.note.toUpperCase() });
    expect(again).toMatchObject({ merged: true, playbook: { playbook_id: first.playbook.playbook_id } });
    const other = await verbs.record({ ...note, note: "ask for the night shift" });
    expect(other.merged).toBe(false);
    expect(await verbs.consolidate({})).toMatchObject({ merged: [], dropped: [] });
    const matched = await match(paraphrased);
    expect(matched.map((each) => each.note).sort()).toEqual([note.note, "ask for the night shift"]);
    expect(matched[0]?.because).toContain("it helped with");
  });

  test("an edit changes what it names, and searches find it by its new words", async () => {
    const { verbs, match } = await start();
    const { playbook } = await verbs.record({ query_text: "night nurse in Boston", ...answer, tags: ["a"] });
    await verbs.helpful({ playbook_id: playbook.playbook_id });
    const edited = await verbs.edit({
      playbook_id: playbook.playbook_id,
      query_text: ` ${asked} `,
      note: "n",
    });
    expect(edited).toMatchObject({
      ...playbook,
      query_text: asked,
      note: "n",
      helpful: 1,
      confirmed_at: edited.confirmed_at,
      updated_at: edited.updated_at,
    });
    expect((await match(paraphrased)).map(({ playbook_id }) => playbook_id)).toEqual([playbook.playbook_id]);
    expect(await match("night nurse in Boston")).toEqual([]);
  });

  test("a delta is made whole or not at all, each change on what those before it made; so it is after a start", async () => {
    const directory = temporaryDirectory("playbook-deltas");
    const { verbs } = await start({ directory: directory.path });
    const { playbook: old } = await verbs.record({ query_text: "night nurse in Boston", ...answer });
    const { playbook: kept } = await verbs.record({ query_text: "welder in Gary", ...answer });
    const changes = [
      { add: { query_text: asked, corpus: "workers", note: "look at the date" } },
      { helpful: kept.playbook_id },
      { edit: { playbook_id: kept.playbook_id, note: "TIG" } },
      { harmful: kept.playbook_id },
      { forget: old.playbook_id },
    ];
    const before = await verbs.playbooks({});
    const refusedBy = async (change: object, words: string) =>
      expect(verbs.delta({ changes: [...changes, change] as never })).rejects.toMatchObject({
        message: expect.stringContaining(words),
      });
    await refusedBy({ helpful: old.playbook_id }, "changes.5: there is no playbook");
    await refusedBy(
      { add: { query_text: "q", corpus: "workers", answer_id: "none" } },
      "changes.5: answer_id",
    );
    expect(await verbs.playbooks({})).toEqual(before);
    const made = await verbs.delta({ changes });
    expect(made.forgotten).toEqual([old.playbook_id]);
    expect(made.playbooks).toMatchObject([
      { query_text: asked, note: "look at the date" },
      { playbook_id: kept.playbook_id, note: "TIG", helpful: 1, harmful: 1 },
    ]);
    const after = await verbs.playbooks({});
    expect(after.playbooks).toHaveLength(2);
    await stack.stop();
    const again = await start({ directory: directory.path });
    expect(await again.verbs.playbooks({})).toEqual(after);
    directory.remove();
  });

  test("twenty at once make one", async () => {
    const { verbs } = await start();
    const all = await Promise.all(
      Array.from({ length: 20 }, () => verbs.record({ query_text: asked, ...answer })),
    );
    expect(all.filter(({ merged }) => !merged)).toHaveLength(1);
    const { playbooks } = await verbs.playbooks({});
    expect(playbooks).toHaveLength(1);
    expect(playbooks[0]?.helpful).toBe(19);
  });

  test("aliases are bounded, and further wordings still strengthen", async () => {
    const { verbs } = await start();
    const base =
      "forklift operator for the night shift in the large warehouse of the Chicago harbour with OSHA card";
    for (let at = 0; at < 24; at++)
      await verbs.record({ query_text: `${base}${"s".repeat(at % 2)}${"!".repeat(at)}`, ...answer });
    const { playbooks } = await verbs.playbooks({});
    expect(playbooks.reduce((sum, { helpful }) => sum + 1 + helpful, 0)).toBe(24);
    for (const { aliases = [] } of playbooks) expect(aliases.length).toBeLessThanOrEqual(20);
  });

  test("max_playbooks refuses the next new one, not a stronger old one", async () => {
    const { verbs } = await start({ settings: { max_playbooks: 1 } });
    await verbs.record({ query_text: asked, ...answer });
    await expect(verbs.record({ query_text: "night nurse in Boston", ...answer })).rejects.toMatchObject({
      type: "too_many_requests",
    });
    expect((await verbs.record({ query_text: asked, ...answer })).merged).toBe(true);
  });
});

describe("feedback", () => {
  test("harmful undoes the lift, helpful brings it back: the numbers", async () => {
    const { verbs, match } = await start();
    const { playbook } = await verbs.record({ query_text: asked, ...answer });
    const boost = async () => (await match(paraphrased))[0]?.boost ?? 0;
    const steps: [string, number][] = [["recorded", await boost()]];
    const judged = async (voice: "helpful" | "harmful") => {
      await verbs[voice]({ playbook_id: playbook.playbook_id });
      steps.push([voice, await boost()]);
    };
    for (const voice of ["helpful", "helpful", "harmful", "harmful", "harmful", "helpful"] as const)
      await judged(voice);
    const boosts = steps.map(([, value]) => value);
    process.stdout.write(
      `playbook lift for a paraphrase (local model): ${steps.map(([what, value]) => `${what} ${value.toFixed(4)}`).join(", ")}\n`,
    );
    expect(boosts[0]).toBeGreaterThan(0);
    expect(boosts[1]).toBeGreaterThan(boosts[0] as number);
    expect(boosts[2]).toBeGreaterThan(boosts[1] as number);
    expect(boosts[3]).toBeLessThan(boosts[2] as number);
    expect(boosts[5]).toBe(0);
    expect(boosts[6]).toBeGreaterThan(0);
  });

  test("two hundred voices at once are all counted", async () => {
    const { verbs } = await start();
    const { playbook_id } = (await verbs.record({ query_text: asked, ...answer })).playbook;
    await Promise.all(
      Array.from({ length: 200 }, (_, at) => verbs[at % 4 === 0 ? "harmful" : "helpful"]({ playbook_id })),
    );
    expect(await verbs.playbook({ playbook_id })).toMatchObject({ helpful: 150, harmful: 50 });
  });

  test("time fades it, and being called helpful makes it fresh", async () => {
    let days = 0;
    const { verbs, match } = await start({ clock: { now: () => 1.7e12 + days * 86_400_000 } });
    const { playbook_id } = (await verbs.record({ query_text: asked, ...answer })).playbook;
    const fresh = (await match(asked))[0]?.boost ?? 0;
    days = 90;
    expect((await match(asked))[0]?.boost).toBeCloseTo(fresh / 2, 10);
    await verbs.harmful({ playbook_id });
    await verbs.helpful({ playbook_id });
    expect((await match(asked))[0]?.because).toContain("(0 days)");
    days = 90 + 451;
    expect(await match(asked)).toEqual([]);
  });
});

describe("matching", () => {
  test("paraphrases match and other questions do not", async () => {
    const { verbs, match } = await start();
    const pairs: [asked: string, differently: string][] = [
      ["forklift operator with OSHA-10 near Chicago", "OSHA-10 forklift driver around Chicago"],
      ["night shift nurse for intensive care in Boston", "intensive care nurses for nights in Boston"],
      ["TIG welder for pipe work, weekends", "weekend pipe welder, TIG certified"],
      ["accounts payable clerk who knows SAP", "SAP accounts payable clerks"],
      ["journeyman electrician for industrial panels", "industrial panel electricians, journeyman level"],
      ["cdl class a driver for regional routes", "regional truck driver with CDL-A"],
      ["cnc machinist for lathe work in Ohio", "lathe CNC machinists near Ohio"],
      ["certified nursing assistant weekends Dallas", "weekend CNA nursing assistants around Dallas"],
    ];
    for (const [at, [query_text]] of pairs.entries())
      await verbs.record({ query_text, corpus: "workers", answer_id: `w${at}` });
    for (const [at, [, differently]] of pairs.entries())
      expect((await match(differently)).map(({ answer_id }) => answer_id)).toEqual([`w${at}`]);
    expect(await match("who repairs the roof of a school")).toEqual([]);
  });

  test("an answer is spoken for once, by the strongest", async () => {
    const { verbs, match } = await start();
    await verbs.record({ query_text: asked, ...answer, score: 0.4 });
    const second = await verbs.record({ query_text: paraphrased, ...answer, score: 1 });
    const found = await match(paraphrased);
    expect(found).toHaveLength(1);
    expect(found[0]?.playbook_id).toBe(second.playbook.playbook_id);
  });

  test("only the corpora asked speak", async () => {
    const { verbs, match } = await start();
    await verbs.record({ query_text: asked, corpus: "jobs", answer_id: "j1" });
    expect(await match(asked, ["workers"])).toEqual([]);
    expect(await match(asked, ["workers", "jobs"])).toHaveLength(1);
  });

  test("each wording is embedded once", async () => {
    const { verbs, match, embedded } = await start();
    for (let at = 0; at < 30; at++)
      await verbs.record({ query_text: `${asked} ${at}`, corpus: "workers", answer_id: `w${at}` });
    await match(asked);
    expect(embedded.flat()).toHaveLength(30);
    await match(asked);
    expect(embedded.flat()).toHaveLength(30);
  });

  test("a vector of another dimension is refused with both numbers", async () => {
    const { verbs, playbooks } = await start();
    await verbs.record({ query_text: asked, ...answer });
    const query = { text: undefined, vector: new Float32Array(3).fill(1), model: "local" };
    await expect(playbooks.matches.match(query, ["workers"], AbortSignal.timeout(5000))).rejects.toThrow(
      "expected 512 numbers, as the model's vectors have, got 3",
    );
  });
});

describe("traces", () => {
  const fromTrace = async () => {
    const started = await start();
    await started.traces.add({ uid: "t1", content: "placed" });
    const { playbook } = await started.verbs.record({ query_text: asked, ...answer, trace_uid: "t1" });
    return { ...started, playbook };
  };

  test("a retired trace silences its playbooks in the very next search, list and training set", async () => {
    const { verbs, traces, match } = await fromTrace();
    expect(await match(asked)).toHaveLength(1);
    await traces.retire({ uid: "t1" });
    expect(await match(asked)).toEqual([]);
    expect((await verbs.playbooks({})).playbooks).toEqual([]);
    expect((await verbs.playbooks({ include_retired: true })).playbooks).toHaveLength(1);
    expect(await verbs.playbooksSince({})).toEqual({ playbooks: [], retired: 1 });
  });

  test("so does a superseded one", async () => {
    const { traces, match } = await fromTrace();
    await traces.revise({ uid: "t1", content: "placed elsewhere" });
    expect(await match(asked)).toEqual([]);
  });

  test("what another trace or nobody's taught stays", async () => {
    const { verbs, traces, match } = await fromTrace();
    const untraced = await verbs.record({ query_text: asked, ...answer });
    expect(untraced.merged).toBe(false);
    await traces.retire({ uid: "t1" });
    expect((await match(asked)).map(({ playbook_id }) => playbook_id)).toEqual([
      untraced.playbook.playbook_id,
    ]);
  });

  test("without pathwayd what came from traces is left out, lists say why, and nothing new is taken on trust", async () => {
    const { verbs, match, stopPathwayd } = await fromTrace();
    await verbs.record({ query_text: asked, corpus: "workers", answer_id: "w9" });
    await stopPathwayd();
    expect((await match(asked)).map(({ answer_id }) => answer_id)).toEqual(["w9"]);
    await expect(verbs.playbooks({})).rejects.toMatchObject({ type: "unavailable" });
    expect((await verbs.playbooks({ include_retired: true })).playbooks).toHaveLength(2);
    await expect(verbs.playbooksSince({})).rejects.toMatchObject({ type: "unavailable" });
    await expect(verbs.record({ query_text: asked, ...answer, trace_uid: "t1" })).rejects.toMatchObject({
      type: "unavailable",
    });
  });
});

describe("lists", () => {
  test("newest first, page by page, by corpus and tag, while some are forgotten", async () => {
    let now = 1.7e12;
    const { verbs } = await start({ clock: { now: () => now++ } });
    const ids: string[] = [];
    for (let at = 0; at < 25; at++) {
      const tags = at % 5 === 0 ? ["fifth"] : [];
      const { playbook } = await verbs.record({
        query_text: `q ${at}`,
        corpus: "workers",
        answer_id: `w${at}`,
        tags,
      });
      ids.unshift(playbook.playbook_id);
    }
    await verbs.record({ query_text: "q", corpus: "jobs", answer_id: "j1" });
    const seen: string[] = [];
    let page_token: string | undefined;
    do {
      const page = await verbs.playbooks({
        corpus: "workers",
        page_size: 4,
        ...(page_token && { page_token }),
      });
      seen.push(...page.playbooks.map(({ playbook_id }) => playbook_id));
      page_token = page.next_page_token;
      // The token is of a playbook that is gone by the next page.
      await verbs.forget({ playbook_id: seen.at(-1) as string });
    } while (page_token !== undefined);
    expect(seen).toEqual(ids);
    const fifth = await verbs.playbooks({ tag: "fifth" });
    expect(fifth.playbooks.every(({ tags }) => tags.includes("fifth"))).toBe(true);
    expect(fifth.next_page_token).toBeUndefined();
  });

  test("those changed in a span of time", async () => {
    let now = Date.parse("2026-01-01T00:00:00Z");
    const { verbs } = await start({ clock: { now: () => now } });
    const first = await verbs.record({ query_text: "a", corpus: "workers", answer_id: "w1" });
    now = Date.parse("2026-01-02T00:00:00Z");
    await verbs.record({ query_text: "b", corpus: "workers", answer_id: "w2" });
    const until = await verbs.playbooksSince({ until: "2026-01-02T00:00:00Z" });
    expect(until.playbooks.map(({ query_text }) => query_text)).toEqual(["a"]);
    now = Date.parse("2026-01-03T00:00:00Z");
    await verbs.harmful({ playbook_id: first.playbook.playbook_id });
    const since = await verbs.playbooksSince({ since: "2026-01-02T12:00:00Z" });
    expect(since.playbooks.map(({ query_text }) => query_text)).toEqual(["a"]);
  });
});

test("what is forgotten is gone from every path, also after a restart", async () => {
  const home = temporaryDirectory("forgotten");
  const { verbs, match } = await start({ directory: home.path });
  const { playbook_id } = (await verbs.record({ query_text: asked, ...answer })).playbook;
  await match(asked);
  await verbs.forget({ playbook_id });
  const gone = async () => {
    expect(await stack.match(asked)).toEqual([]);
    expect((await stack.verbs.playbooks({ include_retired: true })).playbooks).toEqual([]);
    await expect(stack.verbs.playbook({ playbook_id })).rejects.toMatchObject({ type: "not_found" });
    await expect(stack.verbs.helpful({ playbook_id })).rejects.toMatchObject({ type: "not_found" });
  };
  await gone();
  await stack.stop();
  await start({ directory: home.path });
  await gone();
  home.remove();
});
