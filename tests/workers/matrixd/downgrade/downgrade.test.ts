/** The downgrade gate: the models' classes, the rule as a table, and its reasons. */
import { describe, expect, test } from "bun:test";
import { type DowngradeAsk, decideDowngrade } from "../../../../workers/matrixd/downgrade/decision.ts";
import { billionsOf, classOfModel } from "../../../../workers/matrixd/downgrade/models.ts";

const none = { weak_models: [], strong_models: [] };

describe("models", () => {
  const rows: [model: string, modelClass: string][] = [
    ["qwen2.5:7b", "weak"],
    ["qwen2.5-coder:7b-instruct-q4_K_M", "weak"],
    ["llama3.2:3b", "weak"],
    ["llama3.2", "weak"],
    ["mistral", "weak"],
    ["mistral:latest", "weak"],
    ["phi3:mini", "weak"],
    ["gemma3n:e4b", "weak"],
    ["deepseek-r1:8b", "weak"],
    ["deepseek-r1-distill-qwen-7b", "weak"],
    ["qwen3:0.6b", "weak"],
    ["smollm:135m", "weak"],
    ["openrouter/openai/gpt-4o-mini", "weak"],
    ["gpt-5-nano", "weak"],
    ["claude-3-5-haiku-latest", "weak"],
    ["ollama/llama3.1:70b", "strong"],
    ["llama-3.1-405b-instruct", "strong"],
    ["qwen3-235b-a22b", "strong"],
    ["ollama_cloud/gpt-oss:120b", "strong"],
    ["gpt-4o", "strong"],
    ["gpt-4.1-2025-04-14", "strong"],
    ["o3", "strong"],
    ["openrouter/anthropic/claude-sonnet-4.5", "strong"],
    ["CLAUDE-OPUS-4", "strong"],
    ["gemini-2.5-pro", "strong"],
    ["deepseek-r1", "strong"],
    ["kimi/kimi-k2-0905-preview", "strong"],
    ["grok-4", "strong"],
    ["qwen2.5:32b", "unknown"],
    ["mixtral-8x7b", "unknown"],
    ["gemini-2.5-flash", "unknown"],
    ["house-model", "unknown"],
    ["model-8bit", "unknown"],
    ["", "unknown"],
  ];
  test.each(rows)("%s is %s", (model, modelClass) => {
    expect(classOfModel(model, none).class).toBe(modelClass as never);
  });

  test("sizes in names", () => {
    const sizes = ["qwen3-235b-a22b", "mixtral-8x7b", "smollm:135m", "llama", "v2-1.5b", "q4b8", "a7bx"].map(
      billionsOf,
    );
    expect(sizes).toEqual([235, 56, 0.135, undefined, 1.5, undefined, undefined]);
  });

  test("configuration comes first, strong before weak, and an empty part is none", () => {
    const configured = { weak_models: ["house", " ", "gpt-4o"], strong_models: ["House-XL", ""] };
    expect(classOfModel("house-small", configured)).toEqual({
      class: "weak",
      because: "weak: weak_models names 'house'",
    });
    expect(classOfModel("house-xl-7b", configured).class).toBe("strong");
    expect(classOfModel("gpt-4o", configured).class).toBe("weak");
    expect(classOfModel("other", configured).class).toBe("unknown");
  });
});

describe("the rule", () => {
  const [weak, strong, unknown] = ["qwen2.5:7b", "claude-opus-4", "house-model"];
  const rows: [
    name: string,
    ask: Partial<DowngradeAsk> & { model: string },
    decision: string,
    says: string,
  ][] = [
    [
      "weak, relevant",
      { model: weak, task_class: "codereview", relevance: [0.7, 0.6] },
      "use",
      "at least the 0.5",
    ],
    [
      "weak, hardly relevant",
      { model: weak, task_class: "codereview", relevance: [0.4] },
      "withhold",
      "below the 0.5",
    ],
    ["weak, a lookup with little", { model: weak, task_class: "answer", relevance: [0.35] }, "use", "0.35"],
    ["weak, nobody scored", { model: weak, task_class: "fill" }, "use", "nobody scored"],
    ["weak, a long context", { model: weak, relevance: [0.9], context_chars: 12_001 }, "withhold", "12000"],
    ["weak, a context that fits", { model: weak, relevance: [0.9], context_chars: 12_000 }, "use", "0.90"],
    [
      "strong, its own material",
      { model: strong, task_class: "codereview", relevance: [1, 1, 1] },
      "withhold",
      "distracts strong models",
    ],
    [
      "strong, written otherwise",
      { model: strong, task_class: "Code Review", relevance: [1] },
      "withhold",
      "distracts",
    ],
    [
      "strong, by its first word",
      { model: strong, task: "Review this change", relevance: [1] },
      "withhold",
      "by its first word",
    ],
    [
      "strong, facts nobody has",
      { model: strong, task_class: "lookup", relevance: [0.5] },
      "use",
      "needs facts",
    ],
    [
      "strong, poor facts",
      { model: strong, task_class: "lookup", relevance: [0.3] },
      "withhold",
      "below the 0.4",
    ],
    ["strong, open, relevant", { model: strong, task: "Plan it", relevance: [0.7] }, "use", "0.70"],
    ["strong, open, nobody scored", { model: strong, task: "Plan it" }, "withhold", "nobody scored"],
    [
      "strong, a question, nobody scored",
      { model: strong, task: "Who is free in Chicago?" },
      "use",
      "lookup",
    ],
    ["unknown, highly relevant", { model: unknown, relevance: [0.7] }, "use", "0.70"],
    ["unknown, half relevant", { model: unknown, relevance: [0.5] }, "withhold", "below the 0.6"],
    ["unknown, nobody scored", { model: unknown, task_class: "answer" }, "withhold", "nobody scored"],
    [
      "one good chunk among poor ones",
      { model: unknown, relevance: [0.9, 0.2, 0.1, 0, 0] },
      "withhold",
      "0.40 (mean of the best 3)",
    ],
    ["order does not matter", { model: unknown, relevance: [0, 0.7, 0, 0.7, 0.7] }, "use", "0.70"],
    ["no chunk", { model: weak, relevance: [] }, "withhold", "no context to give"],
    ["no character", { model: weak, context_chars: 0 }, "withhold", "no context to give"],
  ];
  test.each(rows)("%s", (_, ask, decision, says) => {
    const answer = decideDowngrade({ task: "Do it", ...ask }, none);
    expect(answer.decision).toBe(decision as never);
    expect(answer.because.join("; ")).toContain(says);
  });

  test("force wins and says what the rule would have said", () => {
    const ask = { model: strong, task: "Review this", relevance: [1] };
    const forced = decideDowngrade({ ...ask, force: "use" }, none);
    expect(forced.decision).toBe("use");
    expect(forced.because[0]).toBe("forced to use; the rule alone says withhold");
    expect(decideDowngrade({ ...ask, force: "withhold" }, none).because[0]).toContain("says withhold");
  });

  test("more relevance never turns use into withhold", () => {
    for (const model of [weak, strong, unknown])
      for (const task_class of ["answer", "codereview", "other"]) {
        const decisions = Array.from(
          { length: 21 },
          (__, at) => decideDowngrade({ model, task: "x", task_class, relevance: [at / 20] }, none).decision,
        );
        expect(decisions.lastIndexOf("withhold")).toBeLessThan(
          decisions.includes("use") ? decisions.indexOf("use") : 21,
        );
      }
  });
});
