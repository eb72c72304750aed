/**
 * Whether retrieved context helps a model with a task or is withheld.
 *
 * Sources: retrieval helps small models and hurts large ones on what they know, Mallen et al. 2023 (arXiv 2212.10511);
 * irrelevant context distracts, Shi et al. 2023 (arXiv 2302.00093); what stands in the middle of a long context is
 * overlooked, Liu et al. 2023, "Lost in the Middle" (arXiv 2307.03172). The numbers were set by hand.
 */
import { type ConfiguredModels, classOfModel, type ModelClass } from "./models.ts";

/** `needs`: facts that no model has. `own`: the task brings its material along. `open`: anything else. */
type TaskKind = "needs" | "own" | "open";

const taskClasses: Readonly<Record<Exclude<TaskKind, "open">, readonly string[]>> = {
  needs: ["answer", "qa", "fill", "lookup", "match", "recommend", "search", "retrieve", "staffing"],
  own: [
    "codereview",
    "review",
    "refactor",
    "rewrite",
    "summarize",
    "translate",
    "reasoning",
    "math",
    "proofread",
  ],
};

/** What a task says of its class when it names none: its first word that tells. */
const tellingWords: readonly [pattern: RegExp, taskClass: string][] = [
  [/^(code )?review\b/, "review"],
  [/^(refactor|rewrite|rephrase|proofread)\b/, "rewrite"],
  [/^(summari[sz]e|translate)\b/, "summarize"],
  [/^(who|which|where|when|find|list|look up|recommend|match)\b/, "lookup"],
];

/**
 * Least relevance of the context, as `relevance` scores it, by model and kind of task; `never` where context was shown
 * to hurt. 0.3 is the relevance filter's own threshold, 0.6 is a definition or most of the terms.
 */
const leastRelevance: Readonly<Record<ModelClass, Readonly<Record<TaskKind, number | "never">>>> = {
  weak: { needs: 0.3, open: 0.3, own: 0.5 },
  strong: { needs: 0.4, open: 0.6, own: "never" },
  unknown: { needs: 0.6, open: 0.6, own: 0.8 },
};
/** Whether context whose relevance nobody scored is given. */
const usedUnscored: Readonly<Record<ModelClass, Readonly<Record<TaskKind, boolean>>>> = {
  weak: { needs: true, open: true, own: false },
  strong: { needs: true, open: false, own: false },
  unknown: { needs: false, open: false, own: false },
};
/** Most characters of context, four a token: three quarters of Ollama's default window of 4,096 tokens for small models. */
const contextCharsMax: Readonly<Record<ModelClass, number>> = {
  weak: 12_000,
  unknown: 24_000,
  strong: 400_000,
};

/** The relevance of a context is the mean of its best chunks: one good chunk among many poor ones is no context. */
const bestChunks = 3;

export interface DowngradeAsk {
  model: string;
  task: string;
  task_class?: string;
  relevance?: readonly number[];
  context_chars?: number;
  force?: "use" | "withhold";
}

interface DowngradeAnswer {
  decision: "use" | "withhold";
  model_class: ModelClass;
  because: string[];
}

/** The decision with its reasons; what is forced is said, and what the rule alone would have said. */
export function decideDowngrade(ask: DowngradeAsk, configured: ConfiguredModels): DowngradeAnswer {
  const { class: model_class, because: classified } = classOfModel(ask.model, configured);
  const task = taskOf(ask);
  const judged = judge(ask, model_class, task.kind);
  const reasons = [`model is ${classified}`, task.because, judged.because];
  if (ask.force === undefined) return { decision: judged.decision, model_class, because: reasons };
  const forced = `forced to ${ask.force}; the rule alone says ${judged.decision}`;
  return { decision: ask.force, model_class, because: [forced, ...reasons] };
}

function taskOf({ task, task_class }: DowngradeAsk): { kind: TaskKind; because: string } {
  const start = task.trim().toLowerCase();
  const given = task_class
    ?.trim()
    .toLowerCase()
    .replace(/[\s_-]+/g, "");
  const guessed = tellingWords.find(([pattern]) => pattern.test(start))?.[1];
  const name = given ?? guessed;
  const kind = (["needs", "own"] as const).find(
    (each) => name !== undefined && taskClasses[each].includes(name),
  );
  const says = {
    needs: "needs facts that no model has",
    own: "brings its own material",
    open: "is of no class that is known to need context or to suffer from it",
  }[kind ?? "open"];
  const from = given === undefined && guessed !== undefined ? " (by its first word)" : "";
  return { kind: kind ?? "open", because: `task${name === undefined ? "" : ` '${name}'${from}`} ${says}` };
}

type Judged = Pick<DowngradeAnswer, "decision"> & { because: string };
const use = (because: string): Judged => ({ decision: "use", because });
const withhold = (because: string): Judged => ({ decision: "withhold", because });

function judge({ relevance, context_chars }: DowngradeAsk, model: ModelClass, kind: TaskKind): Judged {
  if (context_chars === 0 || relevance?.length === 0) return withhold("there is no context to give");
  const least = leastRelevance[model][kind];
  if (least === "never")
    return withhold(`context distracts ${model} models from a task that brings its own material`);
  const most = contextCharsMax[model];
  if (context_chars !== undefined && context_chars > most)
    return withhold(
      `${context_chars} characters of context are more than the ${most} that ${model} models take well`,
    );
  if (relevance === undefined) {
    const unscored = "nobody scored the context's relevance";
    return usedUnscored[model][kind]
      ? use(`${unscored}; it is given, as ${model} models gain from context here`)
      : withhold(`${unscored}; ${model} models are given none unscored here`);
  }
  const best = [...relevance].sort((a, b) => b - a).slice(0, bestChunks);
  const level = best.reduce((sum, each) => sum + each, 0) / best.length;
  const compared = `relevance ${level.toFixed(2)} (mean of the best ${best.length})`;
  return level >= least
    ? use(`${compared} is at least the ${least} of ${model} models here`)
    : withhold(`${compared} is below the ${least} of ${model} models here`);
}
