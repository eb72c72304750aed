/** The embedded model: its numbers never change, and searches by it make sense. */
import { expect, test } from "bun:test";
import { lexicalDimension } from "../../../../runtime/models/models.ts";
import { createSketch } from "../../../../workers/embedd/providers/lexical-embedding.ts";
import { createLexicalModel } from "../../../../workers/embedd/providers/local-model.ts";

const sketch = createSketch();
function vectorOf(text: string): Float32Array {
  for (const _ of sketch.read(text));
  const vector = new Float32Array(lexicalDimension);
  sketch.finish(vector);
  return vector;
}
const digest = (vector: Float32Array) =>
  new Bun.CryptoHasher("sha256").update(vector).digest("hex").slice(0, 32);
const similarity = (a: Float32Array, b: Float32Array) =>
  a.reduce((sum, value, at) => sum + value * (b[at] ?? 0), 0);

/** SHA-256 of the vector's little-endian bytes. A change here makes another model: stored vectors no longer fit. */
const golden: [text: string, digest: string][] = [
  ["welder", "983ecafafe5e115c6740486e32b032e1"],
  ["Certified forklift operator, night shift, Chicago warehouse", "4185f13e6ce02b31430d9535c382188e"],
  ["C++ and C# developer, .NET 8", "ff8a280b4de582e566e3e99a686ee93b"],
  ["to be or not to be", "2471a27840a5788f6a79a92c28073938"],
  ["Straße ﬁnance Ⅻ ½ ÉCOLE", "95af7cde0cc16d50c0f66eda45f19ae7"],
  ["日本語の文章", "44a9c60a9a0f1a4dc0896e901a95acb2"],
  ["!!!", "38e4364fffc1fb7267c27a501cdcab8d"],
  ["👩‍🏭", "2809800c0ee5faa306a639c0c63cd9e9"],
  ["word ".repeat(5000), "2c80bb59aee11555f628e129e4599a6f"],
  ["x".repeat(5000), "659681caaa59ebf3ee9aeb74e55559dc"],
];
test.each(golden)("the vector of %s is as ever", (text, expected) => {
  expect(digest(vectorOf(text))).toBe(expected);
});

test("what is written otherwise and is the same has the same vector", () => {
  const same: [string, string][] = [
    ["WELDER", "welder"],
    ["ﬁnance", "finance"],
    ["cafe\u0301", "caf\u00e9"],
    ["ＡＢＣ", "abc"],
    ["  forklift\n operator ", "forklift operator"],
    ["forklift, operator!", "forklift operator"],
  ];
  for (const [one, other] of same) expect(digest(vectorOf(one))).toBe(digest(vectorOf(other)));
});

test("what differs has another vector", () => {
  const different: [string, string][] = [
    ["C++", "C#"],
    ["C", "C++"],
    ["nurse manager", "manager nurse"],
    ["café", "cafe"],
    ["!!!", "???"],
  ];
  for (const [one, other] of different) expect(digest(vectorOf(one))).not.toBe(digest(vectorOf(other)));
});

test("a repeated word weighs more, but less than its count says", () => {
  const nurse = vectorOf("nurse");
  const once = similarity(nurse, vectorOf("nurse cook welder driver"));
  const often = similarity(nurse, vectorOf("nurse cook welder driver nurse nurse nurse"));
  expect(often).toBeGreaterThan(once);
  expect(often).toBeLessThan(0.95);
});

test("every vector has length 1, whatever the text", () => {
  const texts = ["a", "\u0000", "\u200b", "​", "¨", "·", "the of and", "\u0301", "ﷺ".repeat(3000), "\ufffd"];
  for (const text of texts) expect(Math.hypot(...vectorOf(text))).toBeCloseTo(1, 6);
});

const profiles = [
  "Certified forklift operator, night shift, Chicago warehouse",
  "MIG and TIG welder with five years in shipbuilding",
  "Registered nurse, intensive care unit, 12-hour shifts",
  "Senior C++ developer, embedded systems, automotive",
  "C# .NET developer for insurance back office",
  "Payroll specialist, ADP, multi-state tax filings",
  "CDL class A truck driver, regional routes, hazmat endorsement",
  "Customer service representative, bilingual Spanish, call center",
  "Warehouse associate, picking and packing, day shift",
  "Industrial electrician, PLC troubleshooting, manufacturing plant",
  "Medical billing and coding clerk, ICD-10",
  "Executive assistant to the CFO, calendar and travel",
  "Data analyst, SQL and Tableau, retail sales reports",
  "HVAC technician, EPA certified, residential service",
  "Line cook, high volume restaurant, weekends",
  "Javascript and React front end engineer, remote",
  "Java backend engineer, Spring Boot microservices",
  "Licensed practical nurse, home health visits",
  "Machine operator, CNC lathe, second shift",
  "Recruiter for light industrial staffing, high volume hiring",
];
const profileVectors = profiles.map(vectorOf);

const searches: [query: string, first: string][] = [
  ["forklift driver in Chicago", "forklift"],
  ["fork lift operators", "forklift"],
  ["forklfit operator nigth shift", "forklift"],
  ["welding", "welder"],
  ["who can do TIG welds", "welder"],
  ["shipbuilder", "welder"],
  ["nurse for the ICU, intensive care", "intensive care"],
  ["nursing in intensive care units", "intensive care"],
  ["c++ programmer", "C++"],
  ["developers for embeded system", "C++"],
  ["c# developer", "C#"],
  ["payrol specialists", "Payroll"],
  ["state taxes payroll", "Payroll"],
  ["truck drivers with hazmat", "truck"],
  ["truk driver", "truck"],
  ["spanish speaking call centre agent", "Spanish"],
  ["customers service reps", "Customer service"],
  ["pick and pack in a warehouse", "picking"],
  ["electricians plc", "electrician"],
  ["electrition for a plant", "electrician"],
  ["medical coder", "coding"],
  ["bills and codes, medical clerk", "coding"],
  ["assistant for an executive", "Executive"],
  ["sql analysts", "SQL"],
  ["hvac repair technicians", "HVAC"],
  ["restaurant cooks", "cook"],
  ["react javascrpt", "React"],
  ["java engineer spring", "Spring"],
  ["practical nurses for home visits", "home health"],
  ["cnc machinist lathe", "CNC"],
  ["recruiting light industrial", "Recruiter"],
  ["hiring recruiters in staffing", "Recruiter"],
];
test.each(searches)("%s finds %s first", (query, first) => {
  const wanted = vectorOf(query);
  const scores = profileVectors.map((vector) => similarity(wanted, vector));
  expect(profiles[scores.indexOf(Math.max(...scores))]).toContain(first);
});

test("texts of random words hardly resemble each other", () => {
  const word = (seed: number) =>
    new Bun.CryptoHasher("sha256")
      .update(`${seed}`)
      .digest("hex")
      .slice(0, 9)
      .replace(/\d/g, (digit) => "ghijklmnop"[Number(digit)] ?? "");
  const texts = Array.from({ length: 60 }, (_, at) =>
    vectorOf(Array.from({ length: 8 }, (_, of) => word(at * 8 + of)).join(" ")),
  );
  const pairs = texts.flatMap((one, at) =>
    texts.slice(at + 1).map((other) => Math.abs(similarity(one, other))),
  );
  expect(pairs.reduce((sum, value) => sum + value, 0) / pairs.length).toBeLessThan(0.06);
  expect(Math.max(...pairs)).toBeLessThan(0.25);
});

test("a long text leaves turns to others, and texts that take ICU long are bounded", async () => {
  let now = 0;
  // Every look at this clock takes a millisecond, so turns end by counting.
  const model = createLexicalModel({ elapsed: () => now++ });
  let turns = 0;
  let done = false;
  const count = () => {
    turns += 1;
    if (!done) setImmediate(count);
  };
  setImmediate(count);
  const marks = `a${"\u0301\u0323\u0308\u0327".repeat(50_000)}`;
  const texts = ["word ".repeat(200_000), marks, "x".repeat(1_000_000)];
  await model.embed({ name: "", texts, signal: new AbortController().signal });
  done = true;
  expect(turns).toBeGreaterThan(20);
});
