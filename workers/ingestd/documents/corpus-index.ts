/** The corpus that is searched, over the dataset of its name: built or refreshed after each commit. */
import { fail, ServiceError, toWire } from "../../../runtime/errors/errors.ts";
import { describe } from "../../../runtime/telemetry/telemetry.ts";
import type { IngestDeps } from "../jobs/jobs.ts";
import type { Index } from "../schemas/schemas.ts";
import { corpusSpec } from "./rows.ts";

export interface CorpusIndex {
  /** Begins a build. Where one runs, or it fails, it is begun later: the rows are there in any case. */
  refresh: (corpus: string) => Promise<Index>;
  /** Begins those of corpora whose dataset has a later version than was built: after a kill between the two. */
  reconcile: (corpora: readonly string[]) => Promise<void>;
  /** Resolves when the corpus, where there is one, holds the rows that its dataset has now, and no job works on it. */
  caughtUp: (corpus: string, signal: AbortSignal) => Promise<void>;
  settled: () => Promise<void>;
}

/** A build that waits for another one, and one that failed, are tried again after so many milliseconds. */
const afterOtherMs = 250;
const afterFailureMs = 10_000;

export function createCorpusIndex(
  { peers, clock, log }: Pick<IngestDeps, "peers" | "clock" | "log">,
  lifetime: AbortSignal,
): CorpusIndex {
  const { matrixd, catalogd } = peers;
  const options = { signal: lifetime };
  const later = new Map<string, Promise<void>>();
  const known = async (name: string) => {
    try {
      return await matrixd.verbs.corpus({ name }, options);
    } catch (cause) {
      if (isOf(cause, "not_found")) return undefined;
      throw cause;
    }
  };
  /** The job. A corpus that somebody made over the dataset keeps its columns; one over something else is not ours. */
  const build = async (name: string): Promise<Index> => {
    const there = await known(name);
    if (there && there.dataset !== name)
      return {
        state: "failed",
        error: `there is a corpus '${name}' over something else: drop it, or use another name`,
      };
    const { id_column, text_columns, metadata_columns = [], json_columns = [] } = there ?? corpusSpec;
    const spec = { name, dataset: name, id_column, text_columns, metadata_columns, json_columns };
    const { job_id } = await matrixd.verbs.build(spec, options);
    return { state: "building", job_id };
  };
  const follow = (name: string, waitMs: number) => {
    if (later.has(name)) return;
    const work = async () => {
      for (let ms = waitMs; ; ) {
        await clock.sleep(ms, lifetime);
        try {
          await build(name);
          return;
        } catch (cause) {
          if (lifetime.aborted || isOf(cause, "not_found")) return;
          ms = isOf(cause, "conflict") ? afterOtherMs : afterFailureMs;
          if (ms === afterFailureMs)
            log.warn("a corpus of documents is not built", { corpus: name, ...describe(cause) });
        }
      }
    };
    const done = work()
      .catch(() => undefined)
      .finally(() => later.delete(name));
    later.set(name, done);
  };
  const refresh = async (name: string): Promise<Index> => {
    try {
      return await build(name);
    } catch (cause) {
      const isWaiting = isOf(cause, "conflict");
      follow(name, isWaiting ? afterOtherMs : afterFailureMs);
      return isWaiting ? { state: "waiting" } : { state: "failed", error: toWire(cause).message };
    }
  };
  return {
    refresh,
    reconcile: async (corpora) => {
      for (const name of corpora) {
        const there = await catalogd.verbs.manifest({ name }, options).catch((cause) => {
          if (isOf(cause, "not_found")) return undefined;
          throw cause;
        });
        if (there === undefined) continue;
        const built = await known(name);
        if (built?.job_id === undefined && (built?.dataset_version ?? 0) < there.version) await refresh(name);
      }
    },
    caughtUp: (name, signal) => catchUp(name, signal, { catalogd, clock, known, refresh }),
    settled: async () => {
      await Promise.all(later.values());
    },
  };
}

const isOf = (cause: unknown, type: string): boolean => cause instanceof ServiceError && cause.type === type;

/** Throws `unavailable` where the corpus cannot be built. */
async function catchUp(
  name: string,
  signal: AbortSignal,
  {
    catalogd,
    clock,
    known,
    refresh,
  }: Pick<IngestDeps, "clock"> & {
    catalogd: IngestDeps["peers"]["catalogd"];
    known: (
      name: string,
    ) => Promise<{ dataset?: string; job_id?: string; dataset_version?: number } | undefined>;
    refresh: CorpusIndex["refresh"];
  },
): Promise<void> {
  for (;;) {
    const { version } = await catalogd.verbs.manifest({ name }, { signal });
    const built = await known(name);
    if (!built || built.dataset !== name) return;
    if (built.job_id === undefined) {
      if ((built.dataset_version ?? 0) >= version) return;
      const begun = await refresh(name);
      if (begun.state === "failed") throw fail("unavailable", `corpus '${name}': ${begun.error}`);
    }
    await clock.sleep(afterOtherMs, signal);
  }
}
