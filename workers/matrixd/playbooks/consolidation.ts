/**
 * Keeps the playbooks few and right: those that mislead or have faded go, those of one answer that say the same become
 * one. The same playbooks give the same plan; a call does a bounded part of it and says whether there is more.
 */
import pMap from "p-map";
import { ServiceError } from "../../../runtime/errors/errors.ts";
import { type Clock, createSlices, type Slices, timestamp } from "../../../runtime/scheduling/scheduling.ts";
import type { Corpora } from "../corpora/corpora.ts";
import { hasFaded, misleads } from "./boost.ts";
import { likeOf } from "./likeness.ts";
import { evidenceOf, merged } from "./merge.ts";
import { answerKey, type PlaybookEntry, type PlaybookFields, sayingKey } from "./state.ts";
import type { PlaybookStore } from "./store.ts";
import type { WordingVectors } from "./wordings.ts";

/** Playbooks that one call takes out, and playbooks that it compares with others. */
const goneMax = 1000;
const comparedMax = 5000;
/** Steps of a slice: to judge a playbook, and to compare it with another one by their vectors. */
const stepsOfFacts = 100;
const stepsOfComparison = 1000;

/** Changes under way at once: they share fsyncs. */
const concurrency = 32;

interface ConsolidationParts {
  store: PlaybookStore;
  vectors: WordingVectors;
  corpora: Pick<Corpora, "hold">;
  clock: Clock;
  settings: { playbook_half_life_days: number };
}

interface Consolidated {
  merged: { kept: string; gone: string[] }[];
  dropped: { playbook_id: string; because: string }[];
  more: boolean;
}

interface Plan {
  merges: { kept: PlaybookEntry; gone: PlaybookEntry[] }[];
  drops: { entry: PlaybookEntry; because: string }[];
  more: boolean;
}

/** The consolidation; answers whose playbooks were found different are not compared again until one of them changes. */
export function createConsolidation(parts: ConsolidationParts) {
  const different = new WeakSet<PlaybookEntry>();
  return async ({ dryRun, signal }: { dryRun: boolean; signal: AbortSignal }): Promise<Consolidated> => {
    const plan = await planned(parts, different, signal);
    if (!dryRun) await carriedOut(parts, plan);
    return {
      merged: plan.merges.map(({ kept, gone }) => ({ kept: idOf(kept), gone: gone.map(idOf) })),
      dropped: plan.drops.map(({ entry, because }) => ({ playbook_id: idOf(entry), because })),
      more: plan.more,
    };
  };
}

const idOf = ({ playbook }: PlaybookEntry): string => playbook.playbook_id;

async function planned(
  parts: ConsolidationParts,
  different: WeakSet<PlaybookEntry>,
  signal: AbortSignal,
): Promise<Plan> {
  const plan: Plan = { merges: [], drops: [], more: false };
  const slices = createSlices(signal);
  const groups = new Map<string, PlaybookEntry[]>();
  let gone = 0;
  for (const entry of oldestFirst(parts.store.state.all())) {
    const because = whyDropped(parts, entry.playbook);
    if (because === undefined) groupOf(groups, sayingKey(entry.playbook)).push(entry);
    else if (gone < goneMax) {
      plan.drops.push({ entry, because });
      gone += 1;
    } else plan.more = true;
    await slices(stepsOfFacts);
  }
  let compared = 0;
  for (const group of groups.values()) {
    if (group.length < 2 || group.every((entry) => different.has(entry))) continue;
    if (gone >= goneMax || compared >= comparedMax) return { ...plan, more: true };
    compared += group.length;
    const merges = await mergesOf(parts, group, { room: goneMax - gone, slices, signal });
    plan.merges.push(...merges);
    for (const merge of merges) gone += merge.gone.length;
    if (merges.length === 0) for (const entry of group) different.add(entry);
  }
  return plan;
}

function groupOf<T>(groups: Map<string, T[]>, key: string): T[] {
  const group = groups.get(key) ?? [];
  groups.set(key, group);
  return group;
}

const oldestFirst = (entries: Iterable<PlaybookEntry>): PlaybookEntry[] =>
  [...entries].sort(({ playbook: a }, { playbook: b }) =>
    a.created_at === b.created_at
      ? compare(a.playbook_id, b.playbook_id)
      : compare(a.created_at, b.created_at),
  );
const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function whyDropped({ clock, settings }: ConsolidationParts, playbook: PlaybookFields): string | undefined {
  const { helpful, harmful, confirmed_at } = playbook;
  if (misleads(playbook)) return `it misleads: ${harmful} harmful, ${helpful} helpful after its recording`;
  const halfLife = settings.playbook_half_life_days;
  return hasFaded(clock.now() - Date.parse(confirmed_at), halfLife)
    ? `it has faded: last confirmed at ${confirmed_at}, with a half-life of ${halfLife} days`
    : undefined;
}

/** Each playbook, oldest first, joins the first kept one it is like. */
async function mergesOf(
  parts: ConsolidationParts,
  group: readonly PlaybookEntry[],
  { room, slices, signal }: { room: number; slices: Slices; signal: AbortSignal },
): Promise<Plan["merges"]> {
  const model = modelOf(parts, group[0]?.playbook.corpus ?? "");
  const kept = new Map<PlaybookEntry, PlaybookEntry[]>();
  let left = room;
  for (const entry of group) {
    const among = [...kept.keys()];
    await slices(stepsOfComparison * (1 + among.length));
    let like: PlaybookEntry | undefined;
    for (const wording of entry.wordings)
      like ??= await likeOf(parts.vectors, wording, among, { model, signal });
    if (like && left > 0) {
      kept.get(like)?.push(entry);
      left -= 1;
    } else kept.set(entry, []);
  }
  return [...kept].flatMap(([one, gone]) => (gone.length > 0 ? [{ kept: one, gone }] : []));
}

/** Undefined for a corpus that is gone or not ready: then only equal texts are the same. */
function modelOf({ corpora }: ConsolidationParts, corpus: string): string | undefined {
  try {
    const held = corpora.hold(corpus);
    held.release();
    return held.model;
  } catch (cause) {
    if (cause instanceof ServiceError) return undefined;
    throw cause;
  }
}

/** What changed since it was planned is left as it is, and out of the report. */
async function carriedOut({ store, clock }: ConsolidationParts, plan: Plan): Promise<void> {
  const isSame = (entry: PlaybookEntry) => store.state.get(idOf(entry)) === entry;
  const merges = await pMap(
    plan.merges,
    async (merge) =>
      store.change([answerKey(merge.kept.playbook)], async () => {
        if (![merge.kept, ...merge.gone].every(isSame)) return { result: [] };
        const at = timestamp(clock);
        const into = (playbook: PlaybookFields, entry: PlaybookEntry) =>
          merged(playbook, evidenceOf(entry.playbook), at);
        const put = merge.gone.reduce(into, merge.kept.playbook);
        return { change: { put: [put], gone: merge.gone.map(idOf) }, result: [merge] };
      }),
    { concurrency },
  );
  const drops = await pMap(
    plan.drops,
    async (drop) =>
      store.change([answerKey(drop.entry.playbook)], async () =>
        isSame(drop.entry)
          ? { change: { put: [], gone: [idOf(drop.entry)] }, result: [drop] }
          : { result: [] },
      ),
    { concurrency },
  );
  plan.merges = merges.flat();
  plan.drops = drops.flat();
}
