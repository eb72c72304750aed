/** The rules of reviews, one by one, and what they say together of outputs that people labelled. */
import { describe, expect, test } from "bun:test";
import { canonicalNumber, claimsOf } from "../../../../workers/observerd/reviews/claims.ts";
import { meaningfulWords } from "../../../../workers/observerd/reviews/form.ts";
import { judge } from "../../../../workers/observerd/reviews/verdict.ts";
import { processorMs } from "../../../support/product/processor-time.ts";

interface Row {
  name: string;
  task: string;
  output: string;
  evidence?: string[];
  verdict: "accept" | "reject" | "needs_human";
  /** The rule that must have spoken, and text of its reason. */
  rule: string;
  says?: string;
  /** Rules that must be silent. */
  not?: string[];
}

const worker =
  "worker W-1041 Maria Lopez, forklift operator, Chicago IL, availability: 0.62, rate: 24.50, OSHA-10";
const find = "Who is the forklift operator in Chicago and what is the availability?";
const speak = "Summarise the safety training of the warehouse";
const loop = "The forklift operator in Chicago is ready to work on the next shift today.\n";

const rows: Row[] = [
  {
    name: "an answer whose claims are in the evidence",
    task: find,
    output: "The forklift operator in Chicago is Maria Lopez; her availability is 0.62.",
    evidence: [worker],
    verdict: "accept",
    rule: "supported_claims",
    says: "3 of 3 claims",
    not: ["unsupported_claims", "contradicts_evidence"],
  },
  {
    name: "a share given in percent is the same number",
    task: find,
    output: "Maria Lopez is the forklift operator in Chicago, with an availability of 62%.",
    evidence: [worker],
    verdict: "accept",
    rule: "supported_claims",
    not: ["unsupported_claims", "contradicts_evidence"],
  },
  {
    name: "a clean answer that claims nothing in particular",
    task: "Explain why forklift operators need safety training",
    output: "Forklift operators need safety training because heavy loads tip when they are lifted wrongly.",
    verdict: "accept",
    rule: "addresses_task",
  },
  {
    name: "claims and no evidence to hold them against",
    task: find,
    output: "The forklift operator in Chicago is John Smith and his availability is 0.9.",
    verdict: "needs_human",
    rule: "unchecked_claims",
    says: "John Smith",
  },
  {
    name: "no output",
    task: find,
    output: " \n\t ",
    evidence: [worker],
    verdict: "reject",
    rule: "empty_output",
  },
  {
    name: "a refusal",
    task: find,
    output: "I'm sorry, but I can't help with finding the forklift operator in Chicago or the availability.",
    evidence: [worker],
    verdict: "reject",
    rule: "refusal",
  },
  {
    name: "a model that speaks of itself",
    task: find,
    output: "As an AI language model, I do not know the forklift operator in Chicago.",
    verdict: "reject",
    rule: "refusal",
  },
  {
    name: "an error instead of an answer",
    task: find,
    output: "Error: connection refused while looking up the forklift operator in Chicago",
    verdict: "reject",
    rule: "refusal",
  },
  {
    name: "a sorry that is reported, far into the text",
    task: "Summarise what the customer wrote about the delivery",
    output:
      "The customer wrote about the delivery that arrived late. It came two days after the date that was promised, " +
      "and one box was open. The customer wants a new date and somebody to call before. Their last line was: sorry, " +
      "I cannot help feeling angry.",
    verdict: "accept",
    rule: "addresses_task",
    not: ["refusal"],
  },
  {
    name: "a number that the evidence contradicts",
    task: find,
    output: "The forklift operator in Chicago is Maria Lopez; her availability is 0.95.",
    evidence: [worker],
    verdict: "reject",
    rule: "contradicts_evidence",
    says: "availability 0.95, evidence says 0.62",
  },
  {
    name: "a name that is in none of the evidence",
    task: find,
    output: "The forklift operators in Chicago are Bob Stone and Alan Field; they have availability.",
    evidence: [worker],
    verdict: "reject",
    rule: "unsupported_claims",
    says: "Bob Stone",
  },
  {
    name: "a quotation nobody said",
    task: speak,
    output: 'The safety training of the warehouse says "never lift with a bent back" on every wall.',
    evidence: ["Warehouse safety training: wear a helmet."],
    verdict: "needs_human",
    rule: "unsupported_claims",
    says: "never lift with a bent back",
  },
  {
    name: "JSON was asked for and is broken",
    task: "Return the forklift operator in Chicago as JSON",
    output: '{"forklift operator": "Maria", "city": "Chicago"',
    verdict: "reject",
    rule: "malformed_json",
  },
  {
    name: "JSON was asked for and came in a code fence",
    task: "Return the forklift operator in Chicago as JSON",
    output: '```json\n{"forklift operator": "Maria", "city": "Chicago"}\n```',
    verdict: "accept",
    rule: "valid_json",
    not: ["truncated_output"],
  },
  {
    name: "JSON is only what is spoken of",
    task: "Explain what JSON is to a warehouse manager",
    output: "To a warehouse manager JSON is a way of putting lists on paper so that machines read them.",
    verdict: "accept",
    rule: "addresses_task",
    not: ["malformed_json"],
  },
  {
    name: "an output that was cut",
    task: find,
    output: "The forklift operator in Chicago is available from Monday, and the",
    verdict: "reject",
    rule: "truncated_output",
    says: "and the",
  },
  {
    name: "a code block that is never closed",
    task: "Write a SQL query that counts workers in a state",
    output:
      "This query counts workers in a state:\n```sql\nSELECT state, count(*) FROM workers GROUP BY state",
    verdict: "reject",
    rule: "truncated_output",
    says: "never closed",
  },
  {
    name: "a loop",
    task: find,
    output: loop.repeat(9),
    verdict: "reject",
    rule: "repetition_loop",
  },
  {
    name: "a list whose rows are alike is no loop",
    task: "List the forklift operators in Chicago",
    output: ["Ann", "Bea", "Cid", "Dan", "Eve", "Fay"]
      .map((name) => `- ${name}: forklift operator, Chicago`)
      .join("\n"),
    verdict: "accept",
    rule: "addresses_task",
    not: ["repetition_loop"],
  },
  {
    name: "a placeholder",
    task: "Write a letter to the forklift operator in Chicago",
    output:
      "Dear [insert name], this letter is to the forklift operator in Chicago. We write to you with news.",
    verdict: "reject",
    rule: "leftover",
    says: "[insert name]",
  },
  {
    name: "a placeholder the task asked for",
    task: "Write a letter to the operator in Chicago that begins with {{name}}",
    output: "{{name}}, this letter begins a new chapter for each operator in Chicago.",
    verdict: "accept",
    rule: "addresses_task",
    not: ["leftover"],
  },
  {
    name: "an answer to another question",
    task: find,
    output: "Bananas grow in bunches and ripen after the harvest when they are stored warmly.",
    verdict: "needs_human",
    rule: "off_task",
    says: "forklift",
  },
];

describe("labelled outputs", () => {
  for (const { name, task, output, evidence = [], verdict, rule, says, not = [] } of rows)
    test(name, () => {
      const judged = judge({ task, output, evidence });
      const rules = judged.reasons.map((reason) => reason.rule);
      expect({ rules, verdict: judged.verdict }).toEqual({ rules: expect.arrayContaining([rule]), verdict });
      if (says !== undefined)
        expect(judged.reasons.find((reason) => reason.rule === rule)?.detail).toContain(says);
      for (const silent of not) expect(rules).not.toContain(silent);
      expect(judged.confidence).toBeWithin(0.5, 1.0001);
    });
});

test("every number of an output that is in no evidence counts against it", () => {
  const output = (rate: string) =>
    `Maria Lopez, forklift operator in Chicago, has availability; her pay is ${rate} dollars.`;
  const weigh = (text: string) =>
    judge({ task: find, output: text, evidence: [worker] }).reasons.find(
      ({ rule }) => rule === "unsupported_claims",
    )?.weight ?? 0;
  expect(weigh(output("24.5"))).toBe(0);
  expect(weigh(output("31"))).toBe(-1.25);
  expect(weigh(output("31 or 32"))).toBe(-2.5);
  expect(weigh(output("31, 32, 33, 34, 35, 36"))).toBe(-4);
});

test("numbers count by their value", () => {
  expect(["1,200", "85.0", "+7", "00123", "12345678901234567890", "-3.50"].map(canonicalNumber)).toEqual([
    "1200",
    "85",
    "7",
    "123",
    "12345678901234567890",
    "-3.5",
  ]);
});

test("claims are numbers, names, identifiers and quotations; list marks are none", () => {
  const text =
    '1. The Acme Corp hired 1,200 people.\n2) She holds OSHA-10 and said "lift with care".\n' +
    "Forklifts are at Chicago; ask Ann in SQL. Maria Lopez knows";
  expect(claimsOf(text)).toEqual({
    numbers: ["1200"],
    names: ["Acme Corp", "OSHA-10", "Chicago", "Ann", "Maria Lopez"],
    quotations: ["lift with care"],
  });
});

test("endings do not make another word", () => {
  expect([...meaningfulWords("Operators operated; the operator")]).toEqual(["operator", "operat"]);
});

test("hostile texts are judged in time linear enough", async () => {
  const long = 64 * 1024;
  const texts = [
    "[".repeat(long),
    '"'.repeat(long),
    "A".repeat(long),
    "Aa ".repeat(long / 3),
    "1,111".repeat(long / 5),
  ];
  const more = [
    "a: ".repeat(long / 3),
    "```\n".repeat(long / 4),
    "{{".repeat(long / 2),
    " ".repeat(long),
    "i can not ".repeat(6000),
  ];
  for (const output of [...texts, ...more, "return ".repeat(9000)]) {
    const work = () => judge({ task: output.slice(0, long) || "x", output, evidence: [output] });
    expect(await processorMs(work)).toBeLessThan(2000);
  }
});
