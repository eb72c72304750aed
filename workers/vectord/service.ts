/** vectord: its verbs over the open indexes, their journals in storage and the engines' threads. */
import type { Running } from "../../runtime/contract/contract.ts";
import { fail } from "../../runtime/errors/errors.ts";
import { createMemoryBudget } from "../../runtime/memory/memory.ts";
import { waitAtStart } from "../../runtime/scheduling/scheduling.ts";
import type { Deps } from "../../runtime/service/service.ts";
import { storeIdOf } from "../../runtime/store/store.ts";
import type { Embedd } from "../embedd/contract.ts";
import type { Storaged } from "../storaged/contract.ts";
import type { Vectord } from "./contract.ts";
import { eraseSubject } from "./erasure/erasure.ts";
import { openIndexes, openNames } from "./indexes/indexes.ts";
import { keptOf } from "./inspection/inspection.ts";
import { openJournals } from "./journal/journal.ts";
import { createIndexMarks, objectsFolder } from "./objects/objects.ts";
import { openRemotes } from "./remote/remote.ts";
import { createVectorBlocks, isOnDisk } from "./rows/rows.ts";
import type { IndexConfig } from "./schemas/schemas.ts";
import { openEngines } from "./threads/threads.ts";
import {
  aliasVerbs,
  createInstruments,
  createTexts,
  type ItemParts,
  indexVerbs,
  itemStreams,
  itemVerbs,
  snapshotVerbs,
} from "./verbs/verbs.ts";

/** Of the machine's memory, for indexes, unless a setting says how much. */
const memoryShare = 0.5;

/** Opens the indexes and serves them, each as soon as it is there. A damaged one is reported; the others work. */
export async function createVectord(
  deps: Deps<{ storaged: Storaged; embedd: Embedd }>,
): Promise<Running<Vectord>> {
  const { config, clock, log, metrics, newId, directory } = deps;
  const { storaged, embedd } = deps.peers;
  const { threads, max_waiting: maxWaiting, hnsw_engine: hnswEngine } = config.vectord;
  const isAdopted = (name: string) => deps.adopted(`vectord/${name}`);
  const journals = await openJournals({
    ...{ storaged, log, clock, newId, directory },
    marks: createIndexMarks(deps.marks),
    adopted: isAdopted,
  });
  const budget = createMemoryBudget({
    limit: config.vectord.max_memory_bytes,
    share: memoryShare,
    setting: "vectord.max_memory_bytes",
    advice: "delete items and compact, drop an index",
    metrics,
  });
  const engines = await openEngines({
    ...{ threads, maxWaiting, hnswEngine, clock, log, metrics },
    // A quarter of what is left is for this and its like: runtime/config/memory-plan.ts.
    trainingBytesMax: budget.limit / 2,
  });
  const { idempotency } = deps;
  const blocksFor = (one: IndexConfig) =>
    createVectorBlocks(one.dimension, isOnDisk(one) ? objectsFolder(directory) : undefined);
  const remotes = openRemotes({ ...deps, store: await storeIdOf(directory) });
  const live = {
    ...{ settings: config.vectord, clock, log, newId, idempotency },
    ...{ engines, remotes, budget, blocksFor },
  };
  const indexes = openIndexes({ ...live, journals });
  const aliasStore = { storaged: storaged.verbs, marks: deps.marks };
  const names = openNames(indexes, aliasStore, { clock, log, adopted: isAdopted("_aliases.json") });
  const texts = createTexts(embedd, config.embedd);
  const parts: ItemParts = { deps, names, texts, instruments: createInstruments(metrics, clock, indexes) };
  let stopping = false;

  await waitAtStart(clock, Promise.all([indexes.opened, names.opened]));

  const refusing =
    <I, C, R>(work: (input: I, context: C) => Promise<R>) =>
    async (input: I, context: C): Promise<R> => {
      if (stopping) throw fail("unavailable", "vectord is stopping", { retryAfterSeconds: 1 });
      return work(input, context);
    };
  const { add, search } = itemStreams(parts);
  return {
    verbs: {
      ...indexVerbs({ indexes, names, texts, clock }),
      ...snapshotVerbs(indexes, names),
      ...aliasVerbs(indexes, names),
      ...itemVerbs(parts),
    },
    raw: { add: refusing(add), search: refusing(search) },
    erase: (erasing) => eraseSubject(erasing, { indexes, storaged }),
    durable: keptOf({ indexes, names, journals, aliasStore, directory, clock }),
    notReady: () => [...indexes.pending(), ...names.pending(), ...remotes.problems()],
    stop: async () => {
      stopping = true;
      await names.stop();
      await indexes.stop();
      await engines.stop();
      await remotes.stop();
    },
  };
}
