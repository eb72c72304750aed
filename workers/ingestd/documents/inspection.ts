/**
 * Originals that rows name, and storaged has no more or has other bytes for. Rows know each by its SHA-256, so that nothing
 * else is taken for it, in whatever bucket: one on an S3 server may lose or exchange an object and know nothing of it.
 */
import pMap from "p-map";
import { type Durable, type Finding, holdFiles } from "../../../runtime/durable/durable.ts";
import { peerError, ServiceError } from "../../../runtime/errors/errors.ts";
import { quoteName, quoteText } from "../../../runtime/sql/sql.ts";
import { askRows, type Reading } from "../changes/changes.ts";
import type { IngestDeps } from "../jobs/jobs.ts";
import { isOfDocuments } from "./rows.ts";

/** One original as a row names it. */
export interface Named {
  corpus: string;
  sha256: string;
  /** A document that it is the original of. */
  document: string;
}

export interface LostOriginals {
  /** What is wrong with the original that storaged answered for with these headers; undefined where nothing is. */
  note: (original: Named, answer: Pick<Response, "status" | "headers">) => string | undefined;
  /** It was stored anew, or removed. */
  forget: (original: Pick<Named, "corpus" | "sha256">) => void;
  /** For readiness: what was found by reading and by inspections. */
  problems: () => string[];
}

export const originalKey = (corpus: string, sha256: string): string => `documents/${corpus}/${sha256}`;

/** Originals that readiness names; more are counted. */
const namedMax = 5;

export function createLostOriginals(): LostOriginals {
  const lost = new Map<string, string>();
  return {
    note: ({ corpus, sha256, document }, answer) => {
      const key = originalKey(corpus, sha256);
      const problem = problemOf(sha256, answer);
      if (problem === undefined) lost.delete(key);
      else lost.set(key, `document '${document}' of '${corpus}': its original ${key} ${problem}`);
      return problem;
    },
    forget: ({ corpus, sha256 }) => lost.delete(originalKey(corpus, sha256)),
    problems: () => {
      const more = lost.size - namedMax;
      const named = [...lost.values()].slice(0, namedMax);
      return more > 0 ? [...named, `and ${more} more originals of documents`] : named;
    },
  };
}

/** What is wrong with what is stored under the key of this content. */
export function problemOf(sha256: string, { status, headers }: Pick<Response, "status" | "headers">) {
  if (status === 404) return "does not exist";
  const [, digest] = /^sha-256=:(.+):$/.exec(headers.get("repr-digest") ?? "") ?? [];
  // Of a part of a file the etag alone is known, which on disk is the same.
  const etag = headers.get("etag")?.replaceAll('"', "") ?? "";
  const stored = digest === undefined ? etag : Buffer.from(digest, "base64").toString("hex");
  return stored.length === sha256.length && stored !== sha256 ? "is another file" : undefined;
}

/** Storaged's answer for an object, of which only the headers are wanted: a HEAD has no checksum of one in S3. */
export function askFor(
  key: string,
  { peers }: Pick<IngestDeps, "peers">,
  { requestId, signal }: { requestId: string; signal?: AbortSignal },
): Promise<Response> {
  return peers.storaged.fetch(`/storage/get/${key}`, {
    headers: { "x-request-id": requestId },
    ...(signal && { signal }),
  });
}

type Deps = Pick<IngestDeps, "peers" | "config" | "newId" | "directory">;

/** Every original that a row names is asked for. What is damaged in datasets and in objects is for their services to say. */
export const durableOriginals = (deps: Deps, lost: LostOriginals): Durable => ({
  inspect: async function* (signal) {
    const reading = { deps, requestId: `inspection-${deps.newId()}`, signal };
    let done = 0;
    for await (const corpus of corporaOf(reading)) {
      for (let after = ""; ; ) {
        const rows = await askRows(reading, pageOf(corpus, after));
        const some = rows.map((row): Named => {
          return { corpus, sha256: String(row.sha256), document: String(row.document) };
        });
        const found = await pMap(some, (original) => look(reading, original, lost), { concurrency });
        for (const finding of found) if (finding) yield { finding };
        done += some.length;
        yield { progress: { done, total: done, of: "originals of documents" } };
        if (some.length < pageSize) break;
        after = some.at(-1)?.sha256 ?? "";
      }
    }
  },
  snapshot: () => holdFiles(deps.directory, []),
});

const pageSize = 1000;
/** Originals asked for at once. */
const concurrency = 8;

const pageOf = (corpus: string, after: string): string =>
  `SELECT sha256, min(document) AS document FROM ${quoteName(corpus)} WHERE sha256 > ${quoteText(after)} GROUP BY sha256 ORDER BY sha256 LIMIT ${pageSize}`;

/** Datasets of documents that can be read. */
async function* corporaOf({ deps, requestId, signal }: Reading): AsyncGenerator<string> {
  const { catalogd } = deps.peers;
  for (let page_token: string | undefined; ; ) {
    const page = await catalogd.verbs.list(page_token === undefined ? {} : { page_token }, {
      requestId,
      signal,
    });
    for (const { name } of page.datasets) {
      const manifest = await catalogd.verbs.manifest({ name }, { requestId, signal }).catch(ofDataset);
      if (manifest && isOfDocuments(manifest)) yield name;
    }
    page_token = page.next_page_token;
    if (page_token === undefined) return;
  }
}

/** A dataset that went meanwhile, or that catalogd reports as damaged. */
function ofDataset(cause: unknown): undefined {
  if (cause instanceof ServiceError && /^(not_found|corrupt)$/.test(cause.type)) return undefined;
  throw cause;
}

async function look(reading: Reading, original: Named, lost: LostOriginals): Promise<Finding | undefined> {
  const { deps, requestId, signal } = reading;
  const { corpus, sha256, document } = original;
  const key = originalKey(corpus, sha256);
  const response = await askFor(key, deps, { requestId, signal });
  // What is damaged is named by storaged.
  if (!response.ok && response.status !== 404 && response.status !== 500)
    throw await peerError("storaged", response);
  await response.body?.cancel();
  const problem = lost.note(original, response);
  if (problem === undefined) return undefined;
  const still = `SELECT 1 FROM ${quoteName(corpus)} WHERE sha256 = ${quoteText(sha256)} LIMIT 1`;
  if ((await askRows(reading, still)).length === 0) {
    // Its document was deleted or replaced meanwhile.
    lost.forget(original);
    return undefined;
  }
  return {
    severity: "damage",
    place: `primary://${key}`,
    problem: `document '${document}' of '${corpus}' needs it as its original, and it ${problem}`,
    remedy: `put it back from a backup (bun run restore, or PUT /v1/storage/put/${key}), or load the document again: POST /v1/documents?corpus=${corpus}; its text is in the dataset and is found`,
  };
}
