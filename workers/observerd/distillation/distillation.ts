/** The verb that makes training sets from runs, reviews and playbooks. */
import { mkdirSync, rmSync } from "node:fs";
import { open, rm } from "node:fs/promises";
import { join } from "node:path";
import type {
  CallContext,
  Erasing,
  InputOf,
  Peer,
  ReplyOf,
  VerbsOf,
} from "../../../runtime/contract/contract.ts";
import { fail, peerError, ServiceError } from "../../../runtime/errors/errors.ts";
import { timestamp } from "../../../runtime/scheduling/scheduling.ts";
import { describe } from "../../../runtime/telemetry/telemetry.ts";
import type { Storaged } from "../../storaged/contract.ts";
import type { Observerd } from "../contract.ts";
import { collect, type Read, type Sources, type Span, settle } from "./collect.ts";
import { eraseSets } from "./erasure.ts";
import { preferenceLines, supervisedLines } from "./lines.ts";
import { type DistillStore, openDistillStore } from "./working-set.ts";

type Request = InputOf<Observerd["endpoints"]["distill"]>;
type Answer = ReplyOf<Observerd["endpoints"]["distill"]>;
type Kind = NonNullable<Request["kinds"]>[number];

/** Answers that are judged with less go into no set. */
const confidenceMin = 0.6;
const allKinds: readonly Kind[] = ["supervised", "preference"];
const manifestVersion = 1;

export interface Distillation {
  verbs: Pick<VerbsOf<Observerd>, "distill">;
  /** Erases the sets that name a subject, or only looks; gives their folders. Refused while a set is being made. */
  eraseSets: (erasing: Erasing) => Promise<string[]>;
}

/** Makes `POST /observer/distill`; what a distillation that was killed left on this disk is cleared away. */
export function openDistillation(sources: Sources): Distillation {
  const directory = join(sources.deps.directory, "distilling");
  rmSync(directory, { recursive: true, force: true });
  let busy = false;
  const verbs: Distillation["verbs"] = {
    distill: async (request, context) => {
      if (busy) {
        throw fail("too_many_requests", "a distillation is under way: ask again when it has ended", {
          retryAfterSeconds: 5,
        });
      }
      busy = true;
      let store: DistillStore | undefined;
      try {
        mkdirSync(directory, { recursive: true });
        store = openDistillStore(join(directory, "working.sqlite"));
        return await distill(sources, { request, context, store, directory });
      } finally {
        store?.close();
        await rm(directory, { recursive: true, force: true }).catch((cause) =>
          sources.deps.log.warn("what a distillation worked on could not be cleared away", describe(cause)),
        );
        busy = false;
      }
    },
  };
  return {
    verbs,
    eraseSets: async (erasing) => {
      if (busy && !erasing.dryRun)
        throw fail("unavailable", "a distillation is under way: what it reads may be in its sets", {
          retryAfterSeconds: 5,
        });
      return await eraseSets(sources.deps.peers.storaged, erasing);
    },
  };
}

interface Work {
  request: Request;
  context: CallContext;
  store: DistillStore;
  directory: string;
}

async function distill(sources: Sources, { request, context, store, directory }: Work): Promise<Answer> {
  const { deps } = sources;
  const at = timestamp(deps.clock);
  const span = spanOf(request);
  const read = await collect(sources, store, { ...span, sources: request.sources, context });
  const { min_confidence: least = confidenceMin, include_unreviewed: unreviewed = false } = request;
  const skipped = await settle(store, { confidenceMin: least, unreviewed }, context.signal);
  add(skipped, "retired_trace", read.retiredPlaybooks);
  const folder = `distill/${at.replace(/[-:]|\.\d+/g, "")}-${deps.newId()}`;
  const stored: string[] = [];
  try {
    const sets: Answer["sets"] = [];
    for (const kind of request.kinds ?? allKinds) {
      const path = join(directory, `${kind}.jsonl`);
      const lines = kind === "supervised" ? supervisedLines(store) : preferenceLines(store, skipped);
      const { examples, bytes, sha256 } = await writeLines(path, lines, context.signal);
      const key = `${folder}/${kind}.jsonl`;
      stored.push(key);
      const etag = await storeFile(deps.peers.storaged, key, path, context).catch(asPeer(context));
      sets.push({ kind, key, etag, sha256, examples, bytes });
    }
    const manifest = `${folder}/manifest.json`;
    stored.push(manifest);
    const content = manifestOf({ at, span, request, read, sets, skipped });
    const bytes = new TextEncoder().encode(`${JSON.stringify(content, null, 2)}\n`);
    await deps.peers.storaged.verbs
      .write({ key: manifest, bytes }, optionsOf(context))
      .catch(asPeer(context));
    return { manifest, sets, skipped };
  } catch (cause) {
    await eraseAll(sources, stored);
    throw cause;
  }
}

/** The part of a context that goes on to peers. */
const optionsOf = ({ requestId, signal }: CallContext) => ({ requestId, signal });

/** Without `until` everything recorded so far counts. */
function spanOf({ since, until }: Request): Span {
  if (since !== undefined && until !== undefined && !(Date.parse(since) < Date.parse(until)))
    throw fail("invalid_field", `since: expected a time before until (${until}), got ${since}`);
  return { since, until };
}

const add = (counts: Record<string, number>, reason: string, count: number): void => {
  if (count > 0) counts[reason] = (counts[reason] ?? 0) + count;
};

/** Failures of a peer that are passed on as they are; of others our caller only learns who failed. */
const passedOn = new Set(["unavailable", "overloaded", "deadline_exceeded", "storage_full", "client_closed"]);

const asPeer =
  ({ signal }: CallContext) =>
  (cause: unknown): never => {
    if (signal.aborted || (cause instanceof ServiceError && passedOn.has(cause.type))) throw cause;
    const why = cause instanceof ServiceError ? `: ${cause.message}` : "";
    throw fail("bad_gateway", `storaged could not store the set${why}`, { cause });
  };

interface Made {
  at: string;
  span: Span;
  request: Request;
  read: Read;
  sets: Answer["sets"];
  skipped: Record<string, number>;
}

const manifestOf = ({ at, span, request, read, sets, skipped }: Made) => ({
  format: "lakehouse.distill",
  version: manifestVersion,
  created_at: at,
  span,
  sources: request.sources ?? "all",
  min_confidence: request.min_confidence ?? confidenceMin,
  include_unreviewed: request.include_unreviewed ?? false,
  read: { operations: read.operations, reviews: read.reviews, playbooks: read.playbooks },
  sets,
  skipped,
});

/** Erases what a failed distillation wrote; should that fail too, a set without a manifest does not count. */
async function eraseAll({ deps }: Sources, keys: readonly string[]): Promise<void> {
  const { storaged } = deps.peers;
  const ends = await Promise.allSettled(keys.map((key) => storaged.verbs.erase({ key })));
  const left = keys.filter((_, at) => ends[at]?.status === "rejected");
  if (left.length > 0) deps.log.warn("what a failed distillation wrote could not be erased", { keys: left });
}

// Writes training sets: lines into a file that is hashed as it grows, then into storaged.

interface WrittenLines {
  examples: number;
  bytes: number;
  sha256: string;
}

/** Lines are buffered up to this size before they are written, in characters. */
const pieceChars = 256 * 1024;

/** Writes each value as one line of JSON to a new file at `path`. */
async function writeLines(
  path: string,
  values: Iterable<unknown>,
  signal: AbortSignal,
): Promise<WrittenLines> {
  const file = await open(path, "wx");
  const hasher = new Bun.CryptoHasher("sha256");
  const written = { examples: 0, bytes: 0 };
  let piece = "";
  const flush = async () => {
    signal.throwIfAborted();
    const bytes = Buffer.from(piece);
    piece = "";
    hasher.update(bytes);
    written.bytes += bytes.length;
    await file.writeFile(bytes);
  };
  try {
    for (const value of values) {
      written.examples += 1;
      piece += `${JSON.stringify(value)}\n`;
      if (piece.length >= pieceChars) await flush();
    }
    await flush();
  } finally {
    await file.close();
  }
  return { ...written, sha256: hasher.digest("hex") };
}

/** Stores the file under the key in bucket `primary`; streams it. The etag. */
async function storeFile(
  storaged: Peer<Storaged>,
  key: string,
  path: string,
  { signal, requestId }: { signal: AbortSignal; requestId: string },
): Promise<string> {
  const response = await storaged.fetch(`/storage/put/${key}`, {
    method: "PUT",
    headers: { "content-type": "application/x-ndjson", "x-request-id": requestId },
    body: Bun.file(path),
    signal,
  });
  if (!response.ok) throw await peerError("storaged", response);
  return ((await response.json()) as { etag: string }).etag;
}
