/** Which class a model is of, by its name: what is configured, then its size, then what its family is known for. */

export type ModelClass = "weak" | "strong" | "unknown";

/**
 * Parameters, in billions. Mallen et al. 2023, "When Not to Trust Language Models" (arXiv 2212.10511), found retrieval
 * to help models most the smaller they are; what runs on one consumer GPU is at most about 14 billion, and from about 65
 * on open models answer as the frontier does.
 */
const weakMaxBillions = 14;
const strongMinBillions = 65;

interface Rule {
  pattern: RegExp;
  class: ModelClass;
  about: string;
}

/** In their order; the first that fits decides. Names are lower case, without the provider's prefix. */
const families: readonly Rule[] = [
  {
    pattern: /(^|[-_:.])(mini|nano|tiny|micro|lite|small|haiku)([-_:.\d]|$)/,
    class: "weak",
    about: "a small variant",
  },
  {
    pattern: /^(phi|tinyllama|smollm|stablelm|orca|gemma|gemma\d)([-_:.\d]|$)/,
    class: "weak",
    about: "a small family",
  },
  {
    pattern: /^(mistral|llama3(\.\d)?|llama2)(:latest)?$/,
    class: "weak",
    about: "a tag of 3 to 8 billion parameters",
  },
  { pattern: /^(gpt-(4|5)|chatgpt-4|o[134])([-_:.o]|$)/, class: "strong", about: "OpenAI's frontier" },
  { pattern: /^claude-/, class: "strong", about: "Anthropic's frontier" },
  { pattern: /^gemini-[\d.]+-(pro|ultra)/, class: "strong", about: "Google's frontier" },
  {
    pattern: /^(deepseek-(r1|v3|chat|reasoner)|kimi-k2|mistral-large|grok-[34]|qwen\d?(\.\d)?-max|glm-[45])/,
    class: "strong",
    about: "a frontier family",
  },
];

export interface ConfiguredModels {
  /** Parts of names. */
  weak_models: readonly string[];
  strong_models: readonly string[];
}

/** The class, and one sentence on how it is known. */
export function classOfModel(
  model: string,
  { weak_models, strong_models }: ConfiguredModels,
): { class: ModelClass; because: string } {
  const whole = model.trim().toLowerCase();
  const isIn = (parts: readonly string[]) =>
    parts.find((part) => part.trim() !== "" && whole.includes(part.trim().toLowerCase()));
  const strong = isIn(strong_models);
  if (strong !== undefined) return { class: "strong", because: `strong: strong_models names '${strong}'` };
  const weak = isIn(weak_models);
  if (weak !== undefined) return { class: "weak", because: `weak: weak_models names '${weak}'` };
  const name = whole.slice(whole.lastIndexOf("/") + 1);
  const billions = billionsOf(name);
  if (billions !== undefined) return bySize(billions);
  const family = families.find(({ pattern }) => pattern.test(name));
  if (family) return { class: family.class, because: `${family.class}: '${name}' is of ${family.about}` };
  return { class: "unknown", because: `unknown: nothing in the name '${name}' tells its size or family` };
}

function bySize(billions: number): { class: ModelClass; because: string } {
  const has = `${billions} billion parameters by its name`;
  if (billions <= weakMaxBillions)
    return { class: "weak", because: `weak: ${has}, at most ${weakMaxBillions}` };
  if (billions >= strongMinBillions)
    return { class: "strong", because: `strong: ${has}, at least ${strongMinBillions}` };
  return {
    class: "unknown",
    because: `unknown: ${has}, between ${weakMaxBillions} and ${strongMinBillions}`,
  };
}

/** The largest count in the name: `qwen3-235b-a22b` has 235, `mixtral-8x7b` 56, `phi:500m` half of one. */
export function billionsOf(name: string): number | undefined {
  const counts = [
    ...name.matchAll(/(?<![\d.a-df-z])e?(?:(\d{1,3})x)?(\d{1,4}(?:\.\d{1,3})?)(b|m)(?![a-z\d])/g),
  ].map(
    ([, experts = "1", count = "0", unit]) => (Number(experts) * Number(count)) / (unit === "m" ? 1000 : 1),
  );
  return counts.length > 0 ? Math.max(...counts) : undefined;
}
