import {
  expectEqual,
  expectError,
  expectStatus,
  expectTrue,
  postJson,
  type Smoke,
} from "../smoke-product/smoke-product.ts";

const focus = {
  path: "src/placements/matching.ts",
  symbols: ["matchWorkers"],
  terms: ["availability", "certification", "shift"],
};
const chunks = [
  {
    id: "definition",
    path: "src/placements/matching.ts",
    text: "export function matchWorkers(job: Job) { … }",
  },
  {
    id: "caller",
    path: "src/api/jobs.ts",
    text: "const found = await matchWorkers(job); // by availability",
  },
  { id: "prose", path: "docs/matching.md", text: "Availabilities, shifts and certifications decide." },
  {
    id: "neighbour",
    path: "src/placements/invoices.ts",
    text: "export const invoiceOf = (id: string) => id;",
  },
  { id: "stranger", path: "src/payroll/tax.ts", text: "Withholding tables by state." },
];

interface Answer {
  kept: { id: string; score: number; because: string[] }[];
  dropped: { id: string; score: number; because: string[] }[];
}

export const relevance: Smoke = {
  about: "chunks are scored against a focus, neighbours dropped, with reasons",
  async run({ check, lake: open }) {
    const lake = await open();
    const ask = async (body: object): Promise<Answer> => {
      const answer = await postJson(lake, "/v1/matrix/relevance", body);
      expectStatus(answer, 200);
      return answer.body as Answer;
    };
    await check("what belongs is kept, best first", async () => {
      const { kept } = await ask({ focus, chunks });
      expectEqual(
        kept.map(({ id }) => id),
        ["definition", "prose", "caller"].filter((id) => kept.some((chunk) => chunk.id === id)),
      );
      expectEqual(kept.length, 3);
    });
    await check("what only lies beside it is dropped, and it is said", async () => {
      const { dropped } = await ask({ focus, chunks });
      expectEqual(dropped.map(({ id }) => id).sort(), ["neighbour", "stranger"]);
      const neighbour = dropped.find(({ id }) => id === "neighbour");
      expectTrue(
        neighbour?.because.some((why) => why.startsWith("only adjacent")) ?? false,
        JSON.stringify(neighbour),
      );
    });
    await check("every chunk comes back with its reasons, whatever the threshold", async () => {
      const { kept, dropped } = await ask({ focus, chunks, threshold: 0 });
      expectEqual([kept.length, dropped.length], [chunks.length, 0]);
      expectTrue(
        kept.every(({ because }) => because.length > 0),
        JSON.stringify(kept),
      );
    });
    await check("an empty focus is a 400 that says what is missing", async () => {
      const message = expectError(
        await postJson(lake, "/v1/matrix/relevance", { focus: {}, chunks }),
        400,
        "invalid_field",
      );
      expectTrue(message.includes("path, symbols or terms"), message);
    });
  },
};
