/** Corpora read again: their records, every row and word of their databases, and whether vectord has their vectors. */
import { basename } from "node:path";
import type { Inspected } from "../../../runtime/durable/durable.ts";
import { ServiceError } from "../../../runtime/errors/errors.ts";
import { damage } from "../../../runtime/line-log/line-log.ts";
import {
  type Build,
  databaseFile,
  type Entry,
  holdGeneration,
  readRecord,
  recordAtRest,
  recordFault,
  recordName,
} from "../corpora/corpora.ts";
import type { Peers } from "../jobs/jobs.ts";
import type { Lexicon } from "../lexicon/lexicon.ts";

export interface InspectParts {
  entries: () => Entry[];
  lexicon: Lexicon;
  peers: Pick<Peers, "vectord">;
  /** Indexes of dropped corpora, which are deleted anyway. */
  droppedIndexes: ReadonlySet<string>;
  newId: () => string;
}

const buildAgain = ({ record: { name } }: Entry): string =>
  `build the corpus again: POST /v1/matrix/corpora with what GET /v1/matrix/corpora/${name} says of it; a new build replaces this one, and searches go on`;

/** Throws when vectord cannot be asked. */
export async function* inspectCorpora(parts: InspectParts, signal: AbortSignal): AsyncGenerator<Inspected> {
  const entries = parts.entries();
  for (const [at, entry] of entries.entries()) {
    signal.throwIfAborted();
    yield { progress: { done: at, total: entries.length, of: "corpora of matrixd" } };
    const { live } = entry;
    const record = yield* inspectRecord(entry);
    if (!record || !live || live.isGone) continue;
    const release = holdGeneration(live);
    try {
      yield* inspectBuild(entry, live, parts, signal);
    } finally {
      release();
    }
  }
  yield* inspectUnnamed(parts, signal);
  yield { progress: { done: entries.length, total: entries.length, of: "corpora of matrixd" } };
}

/** Answers whether the rest of the corpus can be looked at. */
async function* inspectRecord(entry: Entry): AsyncGenerator<Inspected, boolean> {
  const place = `matrixd/corpora/${basename(entry.directory)}`;
  if (entry.damage) {
    const { reason, isNewer } = entry.damage;
    const remedy = isNewer
      ? "run that version, or drop the corpus and build it again"
      : "build the corpus again with POST /v1/matrix/corpora, or restore matrixd from a backup";
    yield damage(place, `the corpus is damaged: ${reason}`, remedy);
    return false;
  }
  const found = await recordAtRest(entry, () => readRecord(entry.directory));
  // Its mark, its files and its directory go one after the other, which is no damage.
  if (entry.record.dropped) return false;
  const problem =
    found === null
      ? "the file is gone"
      : "reason" in found
        ? found.reason
        : recordFault(entry.directory, found, entry.kept);
  if (problem !== undefined) yield damage(`${place}/${recordName}`, problem, buildAgain(entry));
  return true;
}

async function* inspectBuild(
  entry: Entry,
  live: Build,
  { lexicon, peers, newId }: InspectParts,
  signal: AbortSignal,
): AsyncGenerator<Inspected> {
  const { file, index } = live;
  const { generation } = live.state;
  const place = databaseFile(`matrixd/corpora/${basename(entry.directory)}`, live.id);
  const id = newId();
  try {
    for (;;) {
      const { problems, done, total, isOver } = await lexicon.ask(
        file,
        "inspect",
        { id, generation },
        { signal },
      );
      for (const problem of problems) {
        if (entry.live === live) entry.isSuspect = true;
        yield damage(place, problem, buildAgain(entry));
      }
      yield { progress: { done, total, of: `rows and words of corpus ${entry.record.name}` } };
      if (isOver) break;
    }
  } finally {
    await lexicon.ask(file, "endInspection", { id });
  }
  if (entry.isSuspect) return;
  const texts = await lexicon.ask(file, "countTexts", { generation }, { signal });
  const lacking = await vectorsLacking(peers, index, texts, signal);
  if (lacking !== undefined) yield damage(`vectord index ${index}`, lacking, buildAgain(entry));
}

async function vectorsLacking(
  { vectord }: InspectParts["peers"],
  name: string,
  texts: number,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    const { count } = await vectord.verbs.info({ name }, { signal });
    return count >= texts ? undefined : `it has ${count} vectors for ${texts} rows with text`;
  } catch (cause) {
    const isDamage =
      cause instanceof ServiceError && (cause.type === "not_found" || cause.type === "corrupt");
    if (isDamage) return `it cannot be searched: ${cause.message}`;
    throw cause;
  }
}

/** How matrixd names its indexes. */
const ownName = /^matrix-.+-[0-9a-f]{8}$/;

/** Indexes that no corpus names: builds that were begun after the backup which this was restored from. */
async function* inspectUnnamed(
  { entries, peers: { vectord }, droppedIndexes }: InspectParts,
  signal: AbortSignal,
): AsyncGenerator<Inspected> {
  const found: string[] = [];
  for (let token: string | undefined; ; ) {
    const page = await vectord.verbs.list({ ...(token !== undefined && { page_token: token }) }, { signal });
    found.push(...page.indexes.map(({ name }) => name).filter((name) => ownName.test(name)));
    token = page.next_page_token;
    if (token === undefined) break;
  }
  const named = new Set(entries().flatMap(({ record }) => record.builds.map(({ index }) => index)));
  // Of a corpus whose record cannot be used, nobody can tell which index is its own.
  const unknown = entries().filter(({ damage }) => damage);
  const isUnknown = (index: string) =>
    unknown.some(({ record: { name } }) => index.startsWith(`matrix-${name}-`));
  for (const name of found.filter(
    (each) => !named.has(each) && !droppedIndexes.has(each) && !isUnknown(each),
  ))
    yield {
      finding: {
        severity: "leftover",
        place: `vectord index ${name}`,
        problem: "it is named as those of corpora are, and no corpus has it",
        remedy: `DELETE /v1/vectors/index/${name}, unless it is your own`,
      },
    };
}
