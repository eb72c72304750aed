/** Documents of many formats become a corpus: rows with their text, their originals, and what is searched. */
import type { RawOf, VerbsOf } from "../../../runtime/contract/contract.ts";
import type { Durable } from "../../../runtime/durable/durable.ts";
import { describe } from "../../../runtime/telemetry/telemetry.ts";
import type { Ingestd } from "../contract.ts";
import type { IngestParts } from "../jobs/jobs.ts";
import { createCorpusIndex } from "./corpus-index.ts";
import { createLostOriginals, durableOriginals } from "./inspection.ts";
import { loadDocuments } from "./loading-documents.ts";
import { openOriginals } from "./originals.ts";
import { deleteDocument, listDocuments, readDocument } from "./stored-documents.ts";

export { isOfDocuments } from "./rows.ts";

export interface Documents {
  /** `changing` runs a change and is waited for at a stop. */
  verbs: (
    changing: <T>(work: () => Promise<T>) => Promise<T>,
  ) => Pick<VerbsOf<Ingestd>, "documents" | "deleteDocument">;
  raw: Pick<RawOf<Ingestd>, "loadDocuments" | "document">;
  /** Originals that were found to be lost. */
  problems: () => string[];
  durable: Durable;
  /** Removes originals that no row names, however young, or only counts them. */
  removeUnnamed: (dryRun: boolean, signal: AbortSignal) => Promise<number>;
  /** Resolves when the corpus that is searched holds what its dataset does. */
  caughtUp: (corpus: string, signal: AbortSignal) => Promise<void>;
  stop: () => Promise<void>;
}

const dayMs = 24 * 60 * 60 * 1000;
const afterFailureMs = 30_000;

/** `lifetime` ends what goes on without a caller. */
export function openDocuments(parts: IngestParts, lifetime: AbortSignal): Documents {
  const { deps, extraction } = parts;
  const lost = createLostOriginals();
  const originals = openOriginals(parts, lost, lifetime);
  const index = createCorpusIndex(deps, lifetime);
  const given = { parts, extraction, originals, index, lost };
  const tended = tend(parts, { originals, index, lifetime });
  return {
    verbs: (changing) => ({
      documents: (asked, context) => changing(() => listDocuments(asked, given, context)),
      deleteDocument: (asked, context) => changing(() => deleteDocument(asked, context, { given, lifetime })),
    }),
    raw: {
      loadDocuments: (input, context) => loadDocuments(input, context, given),
      document: (input, context) => readDocument(input, context, given),
    },
    problems: () => [...lost.problems()],
    durable: durableOriginals(deps, lost),
    removeUnnamed: originals.removeUnnamed,
    caughtUp: index.caughtUp,
    stop: async () => {
      await Promise.all([tended, originals.settled(), index.settled()]);
    },
  };
}

/** At the start corpora are brought up to their datasets; once a day, what no row names goes. */
async function tend(
  { deps }: IngestParts,
  {
    originals,
    index,
    lifetime,
  }: Pick<Parameters<typeof loadDocuments>[2], "originals" | "index"> & { lifetime: AbortSignal },
): Promise<void> {
  const { clock, config, log } = deps;
  for (let isFirst = true; !lifetime.aborted; ) {
    let waitMs = dayMs;
    try {
      await index.reconcile(await originals.corpora(lifetime));
      if (!isFirst && config.catalogd.maintenance) await originals.sweep(lifetime);
      isFirst = false;
    } catch (cause) {
      if (lifetime.aborted) return;
      log.info("corpora of documents are looked at again later", describe(cause));
      waitMs = afterFailureMs;
    }
    await clock.sleep(waitMs, lifetime).catch(() => undefined);
  }
}
