import {
  expectEqual,
  expectError,
  expectStatus,
  expectTrue,
  postJson,
  type Smoke,
} from "../smoke-product/smoke-product.ts";

interface Answer {
  decision: string;
  model_class: string;
  because: string[];
}

export const downgrade: Smoke = {
  about: "whether context is given to a model or withheld, with reasons",
  async run({ check, lake: open }) {
    const lake = await open({ flags: ["--matrixd.weak_models=house-small"] });
    const ask = async (body: object): Promise<Answer> => {
      const answer = await postJson(lake, "/v1/matrix/downgrade", body);
      expectStatus(answer, 200);
      return answer.body as Answer;
    };
    const review = { task: "Review this change", task_class: "codereview", relevance: [0.8, 0.7] };
    await check("a weak model is given relevant context", async () => {
      const { decision, model_class } = await ask({ ...review, model: "qwen2.5:7b" });
      expectEqual([decision, model_class], ["use", "weak"]);
    });
    await check("from a strong one it is withheld where it distracts", async () => {
      const { decision, model_class, because } = await ask({ ...review, model: "claude-opus-4" });
      expectEqual([decision, model_class], ["withhold", "strong"]);
      expectTrue(because.join().includes("distracts"), because.join("; "));
    });
    await check("but given where the facts are nobody's own", async () => {
      const body = { model: "claude-opus-4", task: "Who is free near Chicago?", relevance: [0.6] };
      expectEqual((await ask(body)).decision, "use");
    });
    await check("an unknown one is given only what is highly relevant", async () => {
      const decisions = [];
      for (const relevance of [[0.5], [0.8]])
        decisions.push((await ask({ model: "nobody-knows", task: "Plan it", relevance })).decision);
      expectEqual(decisions, ["withhold", "use"]);
    });
    await check("force wins, and the rule's own word is said", async () => {
      const { decision, because } = await ask({ ...review, model: "claude-opus-4", force: "use" });
      expectEqual(decision, "use");
      expectTrue(because[0]?.includes("the rule alone says withhold") ?? false, because.join("; "));
    });
    await check("a blank task is a 400", async () => {
      const answer = await postJson(lake, "/v1/matrix/downgrade", { model: "m", task: " " });
      expectError(answer, 400, "invalid_field");
    });
  },
};
