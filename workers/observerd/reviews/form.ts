/** Rules on the form of an output: whether it is an answer at all, whole, and without leftovers. */
import { type Finding, quoted, type Rule, someOf } from "./rule.ts";

// Weights are our judgement, in log-odds: -6 alone rejects, -3 rejects unless much speaks for the output, -1.5 makes
// it unsure. The labelled outputs of the test hold them in place.
const decisive = -6;
const heavy = -3;
const doubtful = -1.5;
const goodForm = 0.5;

/** How much of the beginning may hold a refusal; later in a text the same words report somebody else's. */
const refusalChars = 200;
const refusals = [
  /^\W*(i['’]m|i am) (very |really )?(sorry|unable|not able)\b/i,
  /^\W*sorry,? (but )?i\b/i,
  /\bi (can['’]?t|cannot|can not|won['’]t|am unable to|am not able to) (help|assist|provide|answer|comply|fulfil|do that|complete|access|determine)/i,
  /\bas an? (ai|artificial intelligence|large language|language)( language)? (model|assistant)\b/i,
  /^\W*(error|exception|traceback \(most recent call last\))\b\s*:/i,
];

const empty: Rule = ({ output }) =>
  output.trim() === "" ? [{ rule: "empty_output", weight: decisive, detail: "the output has no text" }] : [];

const refusal: Rule = ({ output }) => {
  const beginning = output.slice(0, refusalChars);
  const found = refusals.map((pattern) => pattern.exec(beginning)?.[0]).find((text) => text !== undefined);
  return found === undefined
    ? []
    : [{ rule: "refusal", weight: decisive, detail: `the output begins with ${quoted(found)}` }];
};

/** A task that asks for JSON: a verb or preposition of output before the word, in the same sentence. */
const asksForJson =
  /\b(return|respond|reply|answer|output|produce|give|write|emit|print|format|as|in|only|valid)\b[^.?!\n]{0,60}\bjson\b/i;

/** The JSON text of an output: the whole, or what stands in its one code fence. */
function jsonText(output: string): string {
  const fence = /```(?:json)?[^\S\n]*\n([\s\S]*?)\n?```/i.exec(output);
  return (fence?.[1] ?? output).trim();
}

const malformedJson: Rule = ({ task, output }) => {
  if (!asksForJson.test(task) || output.trim() === "") return [];
  try {
    JSON.parse(jsonText(output));
    return [{ rule: "valid_json", weight: 1, detail: "the task asks for JSON and the output parses" }];
  } catch (cause) {
    const { message } = cause as Error;
    return [
      { rule: "malformed_json", weight: decisive, detail: `the task asks for JSON; the output: ${message}` },
    ];
  }
};

/** Ends at which nobody stops: a comma, an open bracket, a word that needs another. */
const unfinished = /([,([{:;=+]|\b(and|or|the|a|an|of|to|with|for|in|on|because|that|which|is|are|but))\s*$/i;

const truncated: Rule = ({ output }) => {
  const text = output.trimEnd();
  if (text === "") return [];
  const found: Finding[] = [];
  const detail = (why: string) => ({ rule: "truncated_output", weight: heavy + 0.5, detail: why });
  if ((text.match(/^[^\S\n]*```/gm)?.length ?? 0) % 2 === 1)
    found.push(detail("a code block is never closed"));
  else if (unfinished.test(text)) found.push(detail(`the output ends with ${quoted(text.slice(-40))}`));
  return found;
};

// Thresholds of the repetition filters of MassiveText (Rae et al., "Scaling Language Models", 2021, table A1).
const duplicateLinesMax = 0.3;
const duplicateTenGramsMax = 0.1;
/** Shorter texts repeat by chance. */
const linesMin = 5;
const wordsMin = 40;
const gram = 10;

/** The share of items that stood there before. */
function repeatedShare(items: readonly string[]): number {
  return items.length === 0 ? 0 : 1 - new Set(items).size / items.length;
}

const repetition: Rule = ({ output }) => {
  const lines = output
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line.length > 3);
  const lineShare = lines.length >= linesMin ? repeatedShare(lines) : 0;
  const words = output.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
  const grams =
    words.length >= wordsMin
      ? words.slice(0, 1 - gram).map((_, at) => words.slice(at, at + gram).join(" "))
      : [];
  const gramShare = repeatedShare(grams);
  if (lineShare <= duplicateLinesMax && gramShare <= duplicateTenGramsMax) return [];
  const percent = (share: number) => `${Math.round(share * 100)}%`;
  return [
    {
      rule: "repetition_loop",
      weight: heavy,
      detail: `${percent(lineShare)} of the lines and ${percent(gramShare)} of the runs of ${gram} words stood there before`,
    },
  ];
};

const leftoverMarks = [
  /\b(TO[D]O|FIX[M]E|X[X]X|TBD)\b/,
  /\blorem ipsum\b/i,
  /\[(insert|your|add|placeholder|name|company|fill)\b[^\]]{0,60}\]/i,
  /<(your|insert|placeholder)[\w -]{0,40}>/i,
  /\{\{[^{}]{1,60}\}\}/,
];

const leftovers: Rule = ({ task, output }) => {
  const found = leftoverMarks
    .map((mark) => mark.exec(output)?.[0])
    .filter((text): text is string => text !== undefined && !task.includes(text));
  return found.length === 0
    ? []
    : [{ rule: "leftover", weight: heavy, detail: `the output still holds ${someOf(found)}` }];
};

/** Below this share of the task's words in the output, it speaks of something else. */
const addressedMin = 0.2;
/** From here on the task counts as addressed. */
const addressedWell = 0.4;
const addressed = 0.8;

const common = new Set(
  (
    "about above after again all also and answer any are ask because been before being below between both but can " +
    "could did does doing each explain few find for from further give had has have having her here hers him his how " +
    "into its just list make many more most much name not now off once only other our out over own please return " +
    "same say she should show some such summarize summarise tell than that the their them then there these they this " +
    "those through too under until using very was were what when where which while who whom why will with would write " +
    "you your json text word words sentence sentences"
  ).split(" "),
);

/** Words that carry meaning, without their endings: `operators` and `operator` are one. */
export function meaningfulWords(text: string): Set<string> {
  const words = text.toLowerCase().match(/[\p{L}\p{N}][\p{L}\p{N}'-]*/gu) ?? [];
  return new Set(words.filter((word) => word.length > 2 && !common.has(word)).map(stem));
}

const stem = (word: string): string => {
  const cut = word.replace(/('s|ing|ed|es|s|ly)$/, "");
  return cut.length > 2 ? cut : word;
};

const addressesTask: Rule = ({ task, output }) => {
  const asked = [...meaningfulWords(task)];
  if (asked.length < 2 || output.trim() === "") return [];
  const said = meaningfulWords(output);
  const missing = asked.filter((word) => !said.has(word));
  const share = 1 - missing.length / asked.length;
  const percent = `${Math.round(share * 100)}% of the task's words`;
  if (share >= addressedWell) return [{ rule: "addresses_task", weight: addressed, detail: percent }];
  if (share >= addressedMin) return [];
  const weight = asked.length < 4 ? doubtful / 2 : doubtful;
  return [{ rule: "off_task", weight, detail: `only ${percent}; not addressed: ${someOf(missing)}` }];
};

const faults: readonly Rule[] = [empty, refusal, malformedJson, truncated, repetition, leftovers];

/** All rules on form; a form without a fault speaks a little for the output. */
export const formRules: Rule = (subject) => {
  const found = faults.flatMap((rule) => rule(subject));
  const isClean = found.every(({ weight }) => weight > 0);
  const clean = {
    rule: "good_form",
    weight: goodForm,
    detail: "whole, no refusal, no repetition, no leftovers",
  };
  return [...found, ...(isClean ? [clean] : []), ...addressesTask(subject)];
};
