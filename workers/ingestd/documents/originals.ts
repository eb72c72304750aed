/** The files themselves, in storaged, by corpus and content; those that no row names any more go. */
import { peerError, ServiceError } from "../../../runtime/errors/errors.ts";
import { quoteName } from "../../../runtime/sql/sql.ts";
import { describe } from "../../../runtime/telemetry/telemetry.ts";
import { askRows, type Reading } from "../changes/changes.ts";
import type { DatasetManifest, IngestDeps, IngestParts } from "../jobs/jobs.ts";
import { askFor, type LostOriginals, originalKey, problemOf } from "./inspection.ts";

const folder = "documents/";

interface Original {
  sha256: string;
  path: string;
  mediaType: string;
  requestId: string;
}

export interface Originals {
  /** Durable when it resolves. The same content again is there already. */
  put: (corpus: string, original: Original) => Promise<void>;
  /** Begins to remove the originals that this version names no more and the one before it did. */
  dropReplaced: (manifest: DatasetManifest, requestId: string) => void;
  /** Removes what no row names and is older than the grace. */
  sweep: (signal: AbortSignal) => Promise<void>;
  /** Removes what no row names, however young, or only counts it; when it resolves it is gone. */
  removeUnnamed: (dryRun: boolean, signal: AbortSignal) => Promise<number>;
  /** Those that have a folder of originals. */
  corpora: (signal: AbortSignal) => Promise<string[]>;
  /** Resolves when nothing is being removed. */
  settled: () => Promise<void>;
}

const dayMs = 24 * 60 * 60 * 1000;
const pageSize = 1000;

export function openOriginals(
  { deps, limiter }: Pick<IngestParts, "deps" | "limiter">,
  lost: LostOriginals,
  lifetime: AbortSignal,
): Originals {
  const { peers, log, config, clock } = deps;
  const { storaged } = peers;
  const running = new Set<Promise<void>>();
  const reading = (requestId: string, signal: AbortSignal) => ({ deps, requestId, signal });

  const erase = async (corpus: string, sha256: string, requestId: string) => {
    await storaged.verbs.erase({ key: originalKey(corpus, sha256) }, { requestId });
    lost.forget({ corpus, sha256 });
  };
  /** Nobody loads documents into the corpus meanwhile: an original is put before the rows that name it. */
  const drop = async (
    corpus: string,
    candidates: readonly string[],
    requestId: string,
    signal: AbortSignal,
    dryRun = false,
  ): Promise<number> => {
    if (candidates.length === 0) return 0;
    const release = await limiter.take(signal, corpus);
    try {
      const kept = await namedIn(corpus, reading(requestId, signal));
      const unnamed = candidates.filter((sha256) => !kept.has(sha256));
      for (const sha256 of dryRun ? [] : unnamed) await erase(corpus, sha256, requestId);
      return unnamed.length;
    } finally {
      release();
    }
  };
  const replaced = async ({ name, version, parent }: DatasetManifest, requestId: string) => {
    if (parent === undefined) return;
    const [old, now] = [parent, version].map((each) => quoteName(`${name}@${each}`));
    const gone = `SELECT DISTINCT sha256 FROM ${old} EXCEPT SELECT sha256 FROM ${now}`;
    const rows = await askRows(reading(requestId, lifetime), gone);
    await drop(
      name,
      rows.map(({ sha256 }) => String(sha256)),
      requestId,
      lifetime,
    );
  };
  const removeBefore = async (time: number, signal: AbortSignal, dryRun = false): Promise<number> => {
    let count = 0;
    for (const corpus of await foldersOf(deps, signal)) {
      const candidates = await storedBefore(corpus, time, deps, signal);
      count += await drop(corpus, candidates, `documents-${deps.newId()}`, signal, dryRun);
    }
    return count;
  };
  return {
    put: async (corpus, original) => {
      await putOriginal(corpus, original, deps);
      lost.forget({ corpus, sha256: original.sha256 });
    },
    dropReplaced: (manifest, requestId) => {
      const work = replaced(manifest, requestId).catch((cause) =>
        // Maintenance removes them.
        log.info("originals that were replaced stay for now", { corpus: manifest.name, ...describe(cause) }),
      );
      running.add(work);
      void work.finally(() => running.delete(work));
    },
    sweep: async (signal) => {
      await removeBefore(clock.now() - config.catalogd.orphan_grace_days * dayMs, signal);
    },
    removeUnnamed: (dryRun, signal) => removeBefore(Number.POSITIVE_INFINITY, signal, dryRun),
    corpora: (signal) => foldersOf(deps, signal),
    settled: async () => {
      await Promise.all(running);
    },
  };
}

/** Originals of the corpus that its rows name now; none when there is no such dataset. */
async function namedIn(corpus: string, reading: Reading): Promise<Set<string>> {
  const { deps, requestId } = reading;
  try {
    await deps.peers.catalogd.verbs.manifest({ name: corpus }, { requestId });
  } catch (cause) {
    if (cause instanceof ServiceError && cause.type === "not_found") return new Set();
    throw cause;
  }
  const rows = await askRows(reading, `SELECT DISTINCT sha256 FROM ${quoteName(corpus)}`);
  return new Set(rows.map(({ sha256 }) => String(sha256)));
}

/** Folders of originals, one a corpus. */
async function foldersOf({ peers }: Pick<IngestDeps, "peers">, signal: AbortSignal): Promise<string[]> {
  const names: string[] = [];
  for (let page_token: string | undefined; ; ) {
    const page = await peers.storaged.verbs.list(
      {
        prefix: folder,
        delimiter: "/",
        page_size: pageSize,
        ...(page_token !== undefined && { page_token }),
      },
      { signal },
    );
    names.push(...page.prefixes.map((prefix) => prefix.slice(folder.length, -1)));
    page_token = page.next_page_token;
    if (page_token === undefined) return names;
  }
}

/** Originals of a corpus that were stored before then. */
async function storedBefore(
  corpus: string,
  time: number,
  { peers }: Pick<IngestDeps, "peers">,
  signal: AbortSignal,
): Promise<string[]> {
  const prefix = originalKey(corpus, "");
  const found: string[] = [];
  for (let page_token: string | undefined; ; ) {
    const page = await peers.storaged.verbs.list(
      { prefix, page_size: pageSize, ...(page_token !== undefined && { page_token }) },
      { signal },
    );
    for (const { key, last_modified } of page.objects)
      if (Date.parse(last_modified) <= time) found.push(key.slice(prefix.length));
    page_token = page.next_page_token;
    if (page_token === undefined) return found;
  }
}

/** What is under the key already stays where it is this file, and is replaced where it is another one or damaged. */
async function putOriginal(
  corpus: string,
  { sha256, path, mediaType, requestId }: Original,
  { peers }: Pick<IngestDeps, "peers">,
): Promise<void> {
  const key = originalKey(corpus, sha256);
  const put = async (condition: Record<string, string>) => {
    const response = await peers.storaged.fetch(`/storage/put/${key}`, {
      method: "PUT",
      headers: { "content-type": mediaType, "x-request-id": requestId, ...condition },
      body: Bun.file(path).stream(),
    });
    if (!response.ok && response.status !== 412) throw await peerError("storaged", response);
    await response.body?.cancel();
    return response.ok;
  };
  if (await put({ "if-none-match": "*" })) return;
  const there = await askFor(key, { peers }, { requestId });
  await there.body?.cancel();
  if (!there.ok || problemOf(sha256, there) !== undefined) await put({});
}
