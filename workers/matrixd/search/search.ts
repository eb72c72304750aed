/** The verb `search`: plan, ask the corpora side by side, ask the playbooks, rank all together, rerank. */
import type { CallContext, ReplyOf } from "../../../runtime/contract/contract.ts";
import { fail, ServiceError, toWire, type WireError } from "../../../runtime/errors/errors.ts";
import type { Matrixd } from "../contract.ts";
import type { LiveCorpus } from "../corpora/corpora.ts";
import { type CorpusAnswer, type SearchParts, searchCorpus, type Tools } from "./corpus.ts";
import { createStopwatch, within } from "./deadline.ts";
import { toHits } from "./hits.ts";
import { lookAtTexts } from "./look.ts";
import { rankAll } from "./order.ts";
import { planSearch, type SearchInput, type SearchPlan } from "./plan.ts";
import { applyPlaybooks, type Said, strongestNotes } from "./playbooks.ts";
import { createSqlFilters } from "./sql-filter.ts";

type Reply = ReplyOf<Matrixd["endpoints"]["search"]>;
type CorpusError = { corpus: string; error: unknown };

export function searchVerbs(parts: SearchParts): {
  search: (input: SearchInput, context: CallContext) => Promise<Reply>;
} {
  const sqlFilters = createSqlFilters({ ...parts.peers, clock: parts.clock });
  return {
    search: async (input, { signal: caller }) => {
      // A search that names its corpora asks no profile.
      const profile = input.corpora === undefined ? parts.profile() : undefined;
      const plan = planSearch(input, profile, parts.corpusTimeoutMs);
      const { watch, tookMs } = createStopwatch(parts.clock);
      const finished = new AbortController();
      const signal = AbortSignal.any([caller, finished.signal]);
      const held: Held[] = [];
      try {
        return await watch("total", async () => {
          const tools = { parts, sqlFilters, watch, vectorOf: vectorsOnce(parts, plan, signal) };
          const { asked, errors } = await searchAll(tools, plan, { held, signal });
          if (asked.length === 0) throw noneAnswered(errors);
          await lookAtTexts(tools, asked, plan, { errors, signal });
          const { reasons, notes } = await askPlaybooks(tools, asked, plan, { errors, signal });
          const ranked = rankAll(asked, plan, reasons);
          const hits = await toHits(tools, { ranked, asked, reasons, errors, signal }, plan);
          const { mode, profile } = plan;
          const failed = errors.map(({ corpus, error }) => ({ corpus, ...plainly(error) }));
          return {
            hits,
            errors: failed,
            mode,
            ...(notes.length > 0 && { notes }),
            took_ms: tookMs,
            ...(profile !== undefined && { profile }),
          };
        });
      } finally {
        // What is still under way belongs to corpora that were late.
        finished.abort(fail("client_closed", "the search is over"));
        for (const { live, busy } of held) void busy.finally(live.release);
      }
    },
  };
}

interface Held {
  live: LiveCorpus;
  /** Resolves when nothing of the search uses the corpus any more. */
  busy: Promise<unknown>;
}

async function searchAll(
  tools: Tools,
  plan: SearchPlan,
  { held, signal }: { held: Held[]; signal: AbortSignal },
): Promise<{ asked: CorpusAnswer[]; errors: CorpusError[] }> {
  const { clock, corpora } = tools.parts;
  const outcomes = await Promise.allSettled(
    plan.corpora.map(async (name) => {
      const live = corpora.hold(name);
      const place: Held = { live, busy: Promise.resolve() };
      held.push(place);
      return within(plan.timeoutMs, { clock, signal, what: `corpus '${name}'` }, (own) => {
        const work = searchCorpus(tools, live, plan, own);
        place.busy = work.catch(() => {});
        return work;
      });
    }),
  );
  signal.throwIfAborted();
  const errors = outcomes.flatMap((outcome, at) =>
    outcome.status === "rejected"
      ? [{ corpus: plan.corpora[at] ?? "", error: outcome.reason as unknown }]
      : [],
  );
  return {
    asked: outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : [])),
    errors,
  };
}

/** One call to embedd a model, whatever the number of corpora. */
function vectorsOnce(
  { peers }: SearchParts,
  { text, vector }: SearchPlan,
  signal: AbortSignal,
): (model: string) => Promise<Float32Array> {
  const made = new Map<string, Promise<Float32Array>>();
  const embed = async (model: string) => {
    const reply = await peers.embedd.verbs.vectorsOf({ model, texts: [text ?? ""] }, { signal });
    return new Float32Array(reply.vectors.slice().buffer);
  };
  return async (model) => {
    if (vector !== undefined) return vector;
    const known = made.get(model) ?? embed(model);
    made.set(model, known);
    return known;
  };
}

/** A failure of the playbooks costs their boosts alone: it is reported for the corpora that would have had them. */
async function askPlaybooks(
  { parts, watch }: Tools,
  asked: readonly CorpusAnswer[],
  plan: SearchPlan,
  { errors, signal }: { errors: CorpusError[]; signal: AbortSignal },
): Promise<Said> {
  if (!plan.usePlaybook) return { reasons: new Map(), notes: [] };
  const ready = asked.flatMap((one) => (one.vector === undefined ? [] : [{ ...one, vector: one.vector }]));
  const groups = [...Map.groupBy(ready, ({ live }) => live.model).values()];
  const found = await Promise.all(
    groups.map(async (group) => {
      try {
        const options = { clock: parts.clock, signal, what: "the memory of playbooks" };
        return await watch("playbook", () =>
          within(plan.timeoutMs, options, (own) => applyPlaybooks(parts, group, plan, own)),
        );
      } catch (error) {
        signal.throwIfAborted();
        errors.push(...group.map(({ name }) => ({ corpus: name, error: asPlaybooks(error) })));
        return { reasons: new Map(), notes: [] };
      }
    }),
  );
  return {
    reasons: new Map(found.flatMap(({ reasons }) => [...reasons])),
    notes: strongestNotes(found.flatMap(({ notes }) => notes)),
  };
}

const asPlaybooks = (error: unknown): unknown =>
  error instanceof ServiceError
    ? new ServiceError(error.type, `playbooks had no say: ${error.message}`, { cause: error })
    : error;

/** What one corpus's failure looks like beside the others' hits. */
const plainly = (error: unknown): Pick<WireError, "type" | "message"> => {
  const { type, message } = toWire(error);
  return { type, message };
};

/** The error itself when all say the same; else the first, with the others beside it. */
function noneAnswered(errors: readonly CorpusError[]): unknown {
  const [first] = errors;
  if (!first || errors.length === 1 || !(first.error instanceof ServiceError)) return first?.error;
  const { error, corpus } = first;
  const others = errors.map((one) => ({ corpus: one.corpus, ...plainly(one.error) }));
  if (new Set(others.map(({ type, message }) => `${type} ${message}`)).size === 1) return error;
  return new ServiceError(error.type, `no corpus answered; '${corpus}': ${error.message}`, {
    cause: error,
    details: { errors: others },
    ...(error.retryAfterSeconds !== undefined && { retryAfterSeconds: error.retryAfterSeconds }),
  });
}
