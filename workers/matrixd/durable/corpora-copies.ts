/** Corpora as they were at one moment: their records, and copies of their databases that are made when they are asked for. */
import { rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { holdFiles, makeDirectory, type Snapshot } from "../../../runtime/durable/durable.ts";
import { fail, ServiceError } from "../../../runtime/errors/errors.ts";
import { describe, type Log } from "../../../runtime/telemetry/telemetry.ts";
import {
  databaseFile,
  type Entry,
  holdGeneration,
  noteDamage,
  recordAtRest,
  recordName,
} from "../corpora/corpora.ts";
import type { Lexicon, LexiconState } from "../lexicon/lexicon.ts";

export interface SnapshotParts {
  /** The service's. */
  directory: string;
  lexicon: Lexicon;
  newId: () => string;
  log: Log;
}

/** Where copies are made; each is deleted while it is held open. */
const copiesName = "copies";

/** What a stop or a crash left of copies. */
export const clearCopies = (directory: string): Promise<void> =>
  rm(join(directory, copiesName), { recursive: true, force: true });

interface Held {
  record: Snapshot;
  /** Of a corpus that can be searched. */
  live?: { entry: Entry; path: string; file: string; state: LexiconState; release: () => void };
}

/**
 * Holds every corpus's present generation, so that neither its rows nor its index in vectord go before the snapshot ends,
 * whatever is refreshed, built or dropped meanwhile.
 */
export async function snapshotCorpora(entries: readonly Entry[], parts: SnapshotParts): Promise<Snapshot> {
  const held: Held[] = [];
  const copies: Snapshot[] = [];
  let ended = false;
  const end = async () => {
    ended = true;
    for (const { live } of held) live?.release();
    await Promise.all([...held.map(({ record }) => record), ...copies.splice(0)].map((each) => each.end()));
  };
  try {
    for (const entry of entries) held.push(...(await hold(entry, parts)));
  } catch (cause) {
    await end();
    throw cause;
  }
  const places = new Map<string, Snapshot>();
  return {
    files: async function* () {
      for (const { record, live } of held) {
        const copy = live && (await copied(live, parts));
        if (copy) copies.push(copy);
        if (ended) await end();
        for (const snapshot of copy ? [record, copy] : [record])
          for await (const file of snapshot.files()) {
            places.set(file.path, snapshot);
            yield file;
          }
      }
    },
    open: async (path) => {
      const place = places.get(path);
      if (!place) throw fail("not_found", `this snapshot has no file '${path}'`);
      return place.open(path);
    },
    end,
  };
}

/** None for a corpus that was dropped. */
function hold(entry: Entry, { directory }: SnapshotParts): Promise<Held[]> {
  return recordAtRest(entry, async () => {
    const { record, live, damage } = entry;
    if (record.dropped) return [];
    const place = join("corpora", basename(entry.directory));
    if (!damage && record.live !== live?.id) throw new Error(`corpus '${record.name}' is between two builds`);
    const release = live && holdGeneration(live);
    try {
      const held = { record: await holdFiles(directory, [join(place, recordName)]) };
      if (!live || !release || damage) {
        release?.();
        return [held];
      }
      const { file, state, id } = live;
      return [{ ...held, live: { entry, path: databaseFile(place, id), file, state, release } }];
    } catch (cause) {
      release?.();
      throw cause;
    }
  });
}

/** Undefined when the database is damaged: it is left out, and what is restored says so as this service does. */
async function copied(
  { entry, path, file, state }: NonNullable<Held["live"]>,
  { directory, lexicon, newId, log }: SnapshotParts,
): Promise<Snapshot | undefined> {
  const home = join(directory, copiesName, newId());
  const to = join(home, path);
  try {
    await makeDirectory(join(to, ".."));
    await lexicon.ask(file, "copy", { to, state });
    return await holdFiles(home, [path]);
  } catch (cause) {
    if (!(cause instanceof ServiceError && cause.type === "corrupt")) throw cause;
    if (entry.live) noteDamage(entry, entry.live, cause);
    log.error("a corpus is damaged and left out of a backup", {
      corpus: entry.record.name,
      ...describe(cause),
    });
    return undefined;
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}
