/** The files themselves, in storaged, by corpus and content; those that no row names any more go. */
import { fail, peerError, ServiceError } from "../../../runtime/errors/errors.ts";
import { quoteName } from "../../../runtime/sql/sql.ts";
import { describe } from "../../../runtime/telemetry/telemetry.ts";
import { askRows } from "../changes/changes.ts";
import type { DatasetManifest, IngestDeps, IngestParts } from "../jobs/jobs.ts";

const folder = "documents/";
export const originalKey = (corpus: string, sha256: string): string => `${folder}${corpus}/${sha256}`;

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
  /** Removes what no row names and is older than the grace; `corpora` have a folder of originals. */
  sweep: (signal: AbortSignal) => Promise<void>;
  corpora: (signal: AbortSignal) => Promise<string[]>;
  /** Resolves when nothing is being removed. */
  settled: () => Promise<void>;
}

const dayMs = 24 * 60 * 60 * 1000;
const pageSize = 1000;

export function openOriginals(
  { deps, limiter }: Pick<IngestParts, "deps" | "limiter">,
  lifetime: AbortSignal,
): Originals {
  const { peers, log, config, clock } = deps;
  const { storaged, catalogd } = peers;
  const running = new Set<Promise<void>>();
  const reading = (requestId: string, signal: AbortSignal) => ({ deps, requestId, signal });

  /** Those of the corpus that its rows name now; none when there is no such dataset. */
  const named = async (corpus: string, requestId: string, signal: AbortSignal): Promise<Set<string>> => {
    try {
      await catalogd.verbs.manifest({ name: corpus }, { requestId });
    } catch (cause) {
      if (cause instanceof ServiceError && cause.type === "not_found") return new Set();
      throw cause;
    }
    const rows = await askRows(
      reading(requestId, signal),
      `SELECT DISTINCT sha256 FROM ${quoteName(corpus)}`,
    );
    return new Set(rows.map(({ sha256 }) => String(sha256)));
  };
  /** Nobody loads documents into the corpus meanwhile: an original is put before the rows that name it. */
  const drop = async (
    corpus: string,
    candidates: readonly string[],
    requestId: string,
    signal: AbortSignal,
  ) => {
    if (candidates.length === 0) return;
    const release = await limiter.take(signal, corpus);
    try {
      const kept = await named(corpus, requestId, signal);
      for (const sha256 of candidates)
        if (!kept.has(sha256))
          await storaged.verbs.erase({ key: originalKey(corpus, sha256) }, { requestId });
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
  return {
    put: (corpus, original) => putOriginal(corpus, original, deps),
    dropReplaced: (manifest, requestId) => {
      const work = replaced(manifest, requestId).catch((cause) =>
        // Maintenance removes them.
        log.info("originals that were replaced stay for now", { corpus: manifest.name, ...describe(cause) }),
      );
      running.add(work);
      void work.finally(() => running.delete(work));
    },
    sweep: async (signal) => {
      const before = clock.now() - config.catalogd.orphan_grace_days * dayMs;
      for (const corpus of await foldersOf(deps, signal))
        await drop(
          corpus,
          await storedBefore(corpus, before, deps, signal),
          `documents-${deps.newId()}`,
          signal,
        );
    },
    corpora: (signal) => foldersOf(deps, signal),
    settled: async () => {
      await Promise.all(running);
    },
  };
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

async function putOriginal(
  corpus: string,
  { sha256, path, mediaType, requestId }: Original,
  { peers }: Pick<IngestDeps, "peers">,
): Promise<void> {
  const response = await peers.storaged.fetch(`/storage/put/${originalKey(corpus, sha256)}`, {
    method: "PUT",
    headers: { "content-type": mediaType, "if-none-match": "*", "x-request-id": requestId },
    body: Bun.file(path).stream(),
  });
  if (!response.ok && response.status !== 412) throw await peerError("storaged", response);
  await response.body?.cancel();
}

export const gone = (document: string) =>
  fail(
    "corrupt",
    `the original of '${document}' is gone from storaged: its text is in the dataset; load it again`,
  );
