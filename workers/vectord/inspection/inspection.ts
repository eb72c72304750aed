/** All that vectord keeps: the aliases, and the objects of every index. */
import { type Durable, type Finding, holdFiles, type Inspected } from "../../../runtime/durable/durable.ts";
import { fail, ServiceError } from "../../../runtime/errors/errors.ts";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import { type AliasStore, aliasesKey, type Indexes, type Names, storedAliases } from "../indexes/indexes.ts";
import type { Journals } from "../journal/journal.ts";
import { inspectJournals } from "./journals.ts";

interface InspectionParts {
  indexes: Indexes;
  names: Names;
  journals: Journals;
  aliasStore: AliasStore;
  directory: string;
  clock: Pick<Clock, "sleep">;
}

/** What it keeps are objects in storage, which are in storaged's snapshots. */
export const keptOf = (parts: InspectionParts): Durable => ({
  inspect: (signal) => inspect(parts, signal),
  snapshot: () => holdFiles(parts.directory, []),
});

async function* inspect(parts: InspectionParts, signal: AbortSignal): AsyncGenerator<Inspected> {
  const { indexes, journals } = parts;
  await untilOpened(parts, signal);
  for (const finding of await inspectAliases(parts)) yield { finding };
  const count = (name: string) =>
    indexes
      .open()
      .find(({ config }) => config.name === name)
      ?.rows()
      .live();
  yield* inspectJournals({ ...journals.inspectable, count }, signal);
}

/** Before every index was tried once it is not known which there are. Throws `unavailable` when that takes long. */
async function untilOpened({ indexes, names, clock }: InspectionParts, signal: AbortSignal): Promise<void> {
  const over = new AbortController();
  const waited = clock.sleep(openWaitMs, AbortSignal.any([signal, over.signal])).then(
    () => true,
    () => false,
  );
  const isLate = await Promise.race([Promise.all([indexes.opened, names.opened]).then(() => false), waited]);
  over.abort();
  signal.throwIfAborted();
  if (isLate) throw fail("unavailable", "vectord is opening its indexes", { retryAfterSeconds: 10 });
}

const openWaitMs = 20_000;

const damage = (problem: string, remedy: string): Finding => ({
  severity: "damage",
  place: `primary://${aliasesKey}`,
  problem,
  remedy,
});

async function inspectAliases({ indexes, aliasStore }: InspectionParts): Promise<Finding[]> {
  const stored = await storedAliases(aliasStore).catch((error: unknown) => {
    if (error instanceof ServiceError && error.type === "corrupt") return error;
    throw error;
  });
  if (stored instanceof ServiceError) {
    const remedy = `put it back from a backup (bun run restore), then restart vectord; or delete it (DELETE /v1/storage/delete/${aliasesKey}) to begin without aliases, with bun run supervisor --adopt=vectord/_aliases.json`;
    return [damage(stored.message, remedy)];
  }
  return stored
    .filter(({ index }) => !indexes.has(index))
    .map(({ alias, index }) =>
      damage(
        `alias '${alias}' points to index '${index}', which does not exist`,
        `point it to one that does (PUT /v1/vectors/alias/${alias}), or drop it (DELETE /v1/vectors/alias/${alias})`,
      ),
    );
}
