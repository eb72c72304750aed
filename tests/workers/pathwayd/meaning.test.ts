/** Memories found by meaning and words, within a scope, and true at a time. */
import { describe, expect, test } from "bun:test";
import { fail } from "../../../runtime/errors/errors.ts";
import { heldClock, type Memory, perTest } from "../../support/stacks/pathwayd.ts";

const { directory, start, again } = perTest();
type Input = Parameters<Memory["verbs"]["search"]>[0];

const uids = async (memory: Memory, input: Input) =>
  (await memory.verbs.search(input)).results.map(({ uid }) => uid);

/** What a recruiter's agent noted. */
const notes: Record<string, string> = {
  background: "Background check vendor takes five days; start it before the interview",
  forklift: "Warehouse clients in Joliet require a forklift certification from the last three years",
  nurse: "Night shift nurses accept offers when parking is paid",
  welder: "Welders were hired faster after we showed the pay range in the job post",
  bilingual: "The hotel in Rockford wants housekeepers who speak Spanish",
  overtime: "Acme pays time and a half from the ninth hour on",
  drug: "Candidates must pass a drug screening before the first day at the refinery",
  ghosting: "Two drivers did not show up on Monday; send a reminder text the evening before",
  ppe: "New hires at the foundry need steel toe boots and safety glasses",
  referral: "A referral bonus of 500 dollars brought eight electricians",
};
const questions: [question: string, answer: string][] = [
  ["How long does the vendor need for screening someone's past?", "background"],
  ["Which licence do forklift drivers need in a warehouse?", "forklift"],
  ["What makes nurses take the job on nights?", "nurse"],
  ["How do we fill welding jobs sooner?", "welder"],
  ["Who is looking for cleaners with a foreign language?", "bilingual"],
  ["What is the extra hours rate at Acme?", "overtime"],
  ["What do people have to wear at the foundry?", "ppe"],
  ["Does paying for recommendations work?", "referral"],
];

describe("by meaning and words", () => {
  const withNotes = async () => {
    const memory = await start(directory());
    for (const [uid, note] of Object.entries(notes)) await memory.verbs.add({ uid, content: { note } });
    return memory;
  };

  test("of eight recruiters' questions over ten memories seven are answered within the first three", async () => {
    const memory = await withNotes();
    const found: Record<string, string[]> = {};
    for (const [text] of questions) found[text] = (await uids(memory, { text })).slice(0, 3);
    const missed = questions.filter(([text, answer]) => !found[text]?.includes(answer));
    expect(missed.length).toBeLessThanOrEqual(1);
    expect(Object.values(found).filter((hits) => hits.length === 0)).toEqual([]);
    const first = questions.filter(([text, answer]) => found[text]?.[0] === answer);
    expect(first.length).toBeGreaterThanOrEqual(6);
  });

  test("stop words find nothing, and neither does what has nothing to do with them", async () => {
    const memory = await withNotes();
    expect(await uids(memory, { text: "what is the of and to a" })).toEqual([]);
    expect(await uids(memory, { text: "zebra xylophone" })).toEqual([]);
  });

  test("text and vector together, and a least score", async () => {
    const memory = await start(directory());
    await memory.verbs.add({ uid: "a", content: "welding of pipes", embedding: [1, 0] });
    await memory.verbs.add({ uid: "b", content: "welding of beams", embedding: [0, 1] });
    expect(await uids(memory, { text: "welding", vector: [0.1, 1] })).toEqual(["b", "a"]);
    expect(await uids(memory, { text: "welding", vector: [1, 0.1] })).toEqual(["a", "b"]);
    const { scores = [] } = await memory.verbs.search({ text: "pipes" });
    expect(await uids(memory, { text: "pipes", min_score: scores[0] ?? 0 })).toEqual(["a"]);
    expect(await uids(memory, { text: "pipes", min_score: 1.01 })).toEqual([]);
  });

  test("without embedd memories are found by words, and the answer says so", async () => {
    const refuse = async () => {
      throw fail("unavailable", "embedd is down");
    };
    const memory = await start(directory(), {
      embedd: (peer) => ({ ...peer, verbs: { ...peer.verbs, vectorsOf: refuse } }),
    });
    await memory.verbs.add({ uid: "a", content: "welding of pipes" });
    const { results, incomplete } = await memory.verbs.search({ text: "who welds pipes" });
    expect([results[0]?.uid, incomplete]).toEqual(["a", expect.stringContaining("embedd is down")]);
  });

  test("an update changes what it means; the past is compared by what it said", async () => {
    const memory = await start(directory());
    await memory.verbs.add({ uid: "a", content: "sailing boats on the lake" });
    const before = await memory.verbs.search({ text: "a yacht" });
    const { updated_at } = before.results[0] ?? { updated_at: "" };
    await memory.verbs.update({ uid: "a", content: "baking bread in an oven" });
    expect(await uids(memory, { text: "loaf from the bakery" })).toEqual(["a"]);
    const past = await memory.verbs.search({ text: "a yacht", as_of: updated_at });
    expect([past.results[0]?.content, past.scores]).toEqual(["sailing boats on the lake", before.scores]);
  });
});

describe("scopes and filters", () => {
  test("those of one user, agent, run or session; equal content of others is another memory", async () => {
    const path = directory();
    const memory = await start(path);
    const add = (user: string, session: string) =>
      memory.verbs.addIdempotent({ content: "likes nights", scope: { user, session } });
    const [ann, bob, annAgain] = [await add("ann", "1"), await add("bob", "2"), await add("ann", "1")];
    expect([ann.created, bob.created, annAgain.created]).toEqual([true, true, false]);
    expect(await uids(memory, { scope: { user: "ann" } })).toEqual([ann.trace.uid]);
    expect(await uids(memory, { scope: { user: "ann", session: "2" } })).toEqual([]);
    const revised = await memory.verbs.revise({ uid: bob.trace.uid, content: "likes days" });
    expect(revised.scope).toEqual({ user: "bob", session: "2" });
    const restarted = await again(memory, path);
    expect(await uids(restarted, { text: "likes nights or days", scope: { user: "bob" } })).toEqual([
      revised.uid,
    ]);
  });

  test("fields of the content, under every ranking", async () => {
    const memory = await start(directory());
    await memory.verbs.add({ uid: "a", content: { outcome: "hired", days: 3, role: "welder" } });
    await memory.verbs.add({ uid: "b", content: { outcome: "left", days: 9, role: "welder" } });
    await memory.verbs.add({ uid: "c", content: "hired" });
    expect(await uids(memory, { filter: { outcome: "hired" } })).toEqual(["a"]);
    expect(await uids(memory, { text: "welder", filter: { days: { gt: 5 } } })).toEqual(["b"]);
    expect(await uids(memory, { filter: { not: { outcome: "hired" } } })).toEqual(["c", "b"]);
  });
});

describe("what is true at a time", () => {
  const at = (day: number) => `2026-03-0${day}T00:00:00.000000Z`;

  test("from its beginning up to its end", async () => {
    const clock = heldClock(Date.UTC(2026, 2, 5));
    const memory = await start(directory(), { clock });
    await memory.verbs.add({ uid: "past", content: "x", valid_from: at(1), valid_to: at(3) });
    await memory.verbs.add({ uid: "now", content: "x", valid_from: at(3) });
    await memory.verbs.add({ uid: "later", content: "x", valid_from: at(7) });
    await memory.verbs.add({ uid: "always", content: "x" });
    expect(await uids(memory, {})).toEqual(["always", "now"]);
    expect(await uids(memory, { valid_at: at(2) })).toEqual(["always", "past"]);
    expect(await uids(memory, { valid_at: at(3) })).toEqual(["always", "now"]);
    expect(await uids(memory, { valid_at: at(8), text: "x" })).toEqual(["always", "later", "now"]);
    expect(await uids(memory, { include_invalid: true })).toEqual(["always", "later", "now", "past"]);
  });

  test("what is known now of then, and what was known then of now", async () => {
    const clock = heldClock(Date.UTC(2026, 2, 1));
    const path = directory();
    const memory = await start(path, { clock });
    await memory.verbs.add({ uid: "rate-1", content: "Acme pays 30", valid_from: at(1) });
    clock.move(4 * 86_400_000);
    await memory.verbs.revise({
      uid: "rate-1",
      new_uid: "rate-2",
      content: "Acme pays 34",
      valid_from: at(3),
    });
    const restarted = await again(memory, path, { clock });
    expect(await uids(restarted, { text: "Acme" })).toEqual(["rate-2"]);
    // The rate of the second day is that of before, as is known today.
    expect(await uids(restarted, { text: "Acme", valid_at: at(2) })).toEqual(["rate-1"]);
    // On the fourth day nobody had heard of the change yet.
    expect(await uids(restarted, { text: "Acme", as_of: at(4), valid_at: at(4) })).toEqual(["rate-1"]);
    expect(await uids(restarted, { text: "Acme", valid_at: at(4) })).toEqual(["rate-2"]);
  });

  test("an update ends it, and cannot turn it around", async () => {
    const clock = heldClock(Date.UTC(2026, 2, 5));
    const memory = await start(directory(), { clock });
    await memory.verbs.add({ uid: "a", content: "x", valid_from: at(2) });
    await memory.verbs.update({ uid: "a", valid_to: at(4) });
    expect(await uids(memory, {})).toEqual([]);
    await expect(memory.verbs.update({ uid: "a", valid_to: at(1) })).rejects.toMatchObject({
      type: "invalid_field",
    });
    expect((await memory.verbs.get({ uid: "a" })).valid_to).toBe(at(4));
  });
});
