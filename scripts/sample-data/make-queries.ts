/**
 * A labelled set for retrieval from a seed: people of a staffing agency, and what is asked for with the people who fit.
 * A document and a query say the same thing in words of their own: synonyms, abbreviations, another order, slips of
 * the pen. What is relevant is known from the facets a text was made of, not from its words.
 * `bun scripts/sample-data/make-queries.ts [--documents 2000] [--queries 200] [--seed 1]` prints it as JSON lines.
 */
import { parseArgs } from "node:util";
import { createProgress } from "../command-line/command-line.ts";
import { cities, employers, remarks, roles, shifts, type Wordings } from "./query-tables.ts";

interface LabelledDocument {
  id: string;
  text: string;
  role: string;
  city: string;
  shift: string;
}

interface LabelledQuery {
  id: string;
  /** The same need in two wordings. */
  wordings: readonly [string, string];
  /** Ids of all documents that have every facet asked for. */
  relevant: readonly string[];
}

export interface LabelledSet {
  documents: readonly LabelledDocument[];
  queries: readonly LabelledQuery[];
}

interface LabelledOptions {
  documents: number;
  queries: number;
  seed: number;
}

interface Facts {
  id: string;
  role: number;
  /** Places in the role's list. */
  skills: readonly number[];
  city: number;
  shift: number;
  employer: number;
}

interface Need {
  role?: number;
  skill?: number;
  city?: number;
  shift?: number;
  employer?: number;
}

/** Fewer make a query whose measure jumps, more one that anything answers. */
const relevantMin = 3;
const relevantMax = 40;
/** A word of a query has a slip of the pen once in so many. */
const slipOnceIn = 8;

/** Mulberry32. */
function diceOf(seed: number): Dice {
  let state = seed >>> 0;
  const random = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (count: number) => Math.floor(random() * count);
  return { below, pick: (list) => list[below(list.length)] as (typeof list)[number] };
}

interface Dice {
  below: (count: number) => number;
  pick: <T>(list: readonly T[]) => T;
}

/** The same set for the same options, on every machine. `onQuery` is told how many queries there are so far. */
export function labelledSet(
  { documents: count, queries: wanted, seed }: LabelledOptions,
  onQuery: (queries: number) => void = () => {},
): LabelledSet {
  const dice = diceOf(seed);
  const people = Array.from({ length: count }, (_, at) => person(dice, at));
  const documents = people.map((facts) => documentOf(dice, facts));
  const queries: LabelledQuery[] = [];
  for (let tries = 0; queries.length < wanted && tries < wanted * 50; tries++) {
    const need = needOf(dice, dice.pick(people));
    const relevant = people.filter((facts) => fits(facts, need)).map(({ id }) => id);
    if (relevant.length < relevantMin || relevant.length > relevantMax) continue;
    const wordings = [wordingOf(dice, need), wordingOf(dice, need)] as const;
    if (wordings[0] === wordings[1]) continue;
    queries.push({ id: `q${queries.length}`, wordings, relevant });
    onQuery(queries.length);
  }
  return { documents, queries };
}

function person(dice: Dice, at: number): Facts {
  const role = dice.below(roles.length);
  const skills = skillsOf(role);
  const first = dice.below(skills.length);
  const second = (first + 1 + dice.below(skills.length - 1)) % skills.length;
  return {
    id: `w${at}`,
    role,
    skills: [first, second],
    city: dice.below(cities.length),
    shift: dice.below(shifts.length),
    employer: dice.below(employers.length),
  };
}

const skillsOf = (role: number): readonly Wordings[] => roles[role]?.skills ?? [];

/** What a person has, as somebody might ask for it. */
function needOf(dice: Dice, { role, skills, city, shift, employer }: Facts): Need {
  const skill = dice.pick(skills);
  return dice.pick<Need>([
    { role, city },
    { role, skill, city },
    { role, skill, shift },
    { role, city, shift },
    { role, skill },
    { role, employer },
    { role, skill, city },
  ]);
}

const fits = (facts: Facts, need: Need): boolean =>
  (need.role ?? facts.role) === facts.role &&
  (need.city ?? facts.city) === facts.city &&
  (need.shift ?? facts.shift) === facts.shift &&
  (need.employer ?? facts.employer) === facts.employer &&
  (need.skill === undefined || facts.skills.includes(need.skill));

function documentOf(dice: Dice, facts: Facts): LabelledDocument {
  const { role, skills, city, shift, employer } = facts;
  const said = (wordings: Wordings | undefined) => dice.pick(wordings ?? [""]);
  const [one, two] = skills.map((skill) => said(skillsOf(role)[skill]));
  const years = 1 + dice.below(15);
  const work = said(roles[role]?.names);
  const place = said(cities[city]);
  const time = said(shifts[shift]);
  const past = said(employers[employer]);
  const summary = dice.pick([
    `${work} in ${place}, ${years} years, lately with ${past}. ${one}; ${two}. Works ${time}.`,
    `Lives near ${place}. ${years} years as ${work}, good at ${one}. Also ${two}. Last at ${past}. Available: ${time}.`,
    `${time} only. ${work}. ${one} and ${two}, ${years} years, ${past}. ${place}.`,
    `${place}: experienced ${work}, knows ${two}, has done ${one} for ${years} years at ${past}, prefers ${time}.`,
  ]);
  const from = dice.below(remarks.length);
  const noted = Array.from(
    { length: 1 + dice.below(4) },
    (_, at) => remarks[(from + at * 5) % remarks.length],
  );
  const text = `${summary} ${noted.join(" ")}`;
  const plain = (wordings: Wordings | undefined) => wordings?.[0] ?? "";
  return {
    id: facts.id,
    text,
    role: plain(roles[role]?.names),
    city: plain(cities[city]),
    shift: plain(shifts[shift]),
  };
}

function wordingOf(dice: Dice, { role, skill, city, shift, employer }: Need): string {
  const parts: string[] = [];
  if (role !== undefined) parts.push(dice.pick(roles[role]?.names ?? []));
  if (role !== undefined && skill !== undefined)
    parts.push(dice.pick(["", "with ", "who knows "]) + dice.pick(skillsOf(role)[skill] ?? []));
  if (city !== undefined)
    parts.push(dice.pick(["in ", "near ", "around ", ""]) + dice.pick(cities[city] ?? []));
  if (shift !== undefined) parts.push(dice.pick(["for ", "", "on "]) + dice.pick(shifts[shift] ?? []));
  if (employer !== undefined)
    parts.push(dice.pick(["from ", "who was at ", ""]) + dice.pick(employers[employer] ?? []));
  const from = dice.below(parts.length);
  const turned = [...parts.slice(from), ...parts.slice(0, from)];
  const opening = dice.pick(["", "", "need ", "looking for ", "do we have ", "who is a "]);
  return `${opening}${turned.join(" ")}`
    .split(" ")
    .map((word) => slip(dice, word))
    .join(" ");
}

/** Sometimes a letter is lost, doubled or changes places with the next. */
function slip(dice: Dice, word: string): string {
  if (word.length < 5 || dice.below(slipOnceIn) > 0) return word;
  const at = 1 + dice.below(word.length - 3);
  const [before, letter, next, after] = [word.slice(0, at), word[at], word[at + 1], word.slice(at + 2)];
  return dice.pick([
    `${before}${next}${after}`,
    `${before}${letter}${letter}${next}${after}`,
    `${before}${next}${letter}${after}`,
  ]);
}

if (import.meta.main) {
  const text = { type: "string" } as const;
  const { values } = parseArgs({ options: { documents: text, queries: text, seed: text } });
  const options = {
    documents: Number(values.documents ?? 2000),
    queries: Number(values.queries ?? 200),
    seed: Number(values.seed ?? 1),
  };
  const bar = createProgress("queries", { unit: "queries" });
  const { documents, queries } = labelledSet(options, (made) => bar.step(made, options.queries));
  bar.end();
  for (const line of [...documents, ...queries]) process.stdout.write(`${JSON.stringify(line)}\n`);
}
