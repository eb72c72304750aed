/** The verb that makes training sets from runs, reviews and playbooks. */
import { mkdirSync, rmSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { timestamp } from "../../runtime/clock.ts";
import type { CallContext, InputOf, ReplyOf, VerbsOf } from "../../runtime/contract.ts";
import { fail, ServiceError } from "../../runtime/errors.ts";
import type { Observerd } from "./contract.ts";
import { collect, type Read, settle } from "./distill-collect.ts";
import { preferenceLines, supervisedLines } from "./distill-lines.ts";
import { type DistillStore, openDistillStore } from "./distill-store.ts";
import { storeFile, writeLines } from "./distill-write.ts";
import type { Parts } from "./parts.ts";

type Request = InputOf<Observerd["endpoints"]["distill"]>;
type Answer = ReplyOf<Observerd["endpoints"]["distill"]>;
type Kind = NonNullable<Request["kinds"]>[number];

/** Answers that are judged with less go into no set. */
const confidenceMin = 0.6;
const allKinds: readonly Kind[] = ["supervised", "preference"];
const manifestVersion = 1;

/** Makes `POST /observer/distill`; what a distillation that was killed left on this disk is cleared away. */
export function distillVerbs(parts: Parts): Pick<VerbsOf<Observerd>, "distill"> {
  const directory = join(parts.deps.directory, "distilling");
  rmSync(directory, { recursive: true, force: true });
  let busy = false;
  return {
    distill: async (request, context) => {
      if (busy) {
        throw fail("too_many_requests", "a distillation is under way: ask again when it has ended", {
          retryAfterSeconds: 5,
        });
      }
      busy = true;
      mkdirSync(directory, { recursive: true });
      const store = openDistillStore(join(directory, "working.sqlite"));
      try {
        return await distill(parts, { request, context, store, directory });
      } finally {
        store.close();
        await rm(directory, { recursive: true, force: true });
        busy = false;
      }
    },
  };
}

interface Work {
  request: Request;
  context: CallContext;
  store: DistillStore;
  directory: string;
}

async function distill(parts: Parts, { request, context, store, directory }: Work): Promise<Answer> {
  const { deps } = parts;
  const at = timestamp(deps.clock);
  const span = spanOf(request, at);
  const read = await collect(parts, store, { ...span, sources: request.sources, context });
  const skipped = await settle(store, request.min_confidence ?? confidenceMin, context.signal);
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
      const etag = await storeFile(deps.peers.storaged, key, path, context).catch(asPeer("storaged"));
      sets.push({ kind, key, etag, sha256, examples, bytes });
    }
    const manifest = `${folder}/manifest.json`;
    stored.push(manifest);
    const content = manifestOf({ at, span, request, read, sets, skipped });
    const bytes = new TextEncoder().encode(`${JSON.stringify(content, null, 2)}\n`);
    await deps.peers.storaged.verbs
      .write({ key: manifest, bytes }, optionsOf(context))
      .catch(asPeer("storaged"));
    return { manifest, sets, skipped };
  } catch (cause) {
    await eraseAll(parts, stored);
    throw cause;
  }
}

/** The part of a context that goes on to peers. */
const optionsOf = ({ requestId, signal }: CallContext) => ({ requestId, signal });

function spanOf({ since, until }: Request, now: string): { since?: string | undefined; until: string } {
  const end = until ?? now;
  if (since !== undefined && !(Date.parse(since) < Date.parse(end)))
    throw fail("invalid_field", `since: expected a time before until (${end}), got ${since}`);
  return { since, until: end };
}

const add = (counts: Record<string, number>, reason: string, count: number): void => {
  if (count > 0) counts[reason] = (counts[reason] ?? 0) + count;
};

/** A peer's failure is a gateway's: what it refuses of ours is not the caller's mistake. */
const asPeer =
  (name: string) =>
  (cause: unknown): never => {
    if (!(cause instanceof ServiceError)) throw cause;
    if (
      ["unavailable", "overloaded", "deadline_exceeded", "storage_full", "client_closed"].includes(cause.type)
    )
      throw cause;
    throw fail("bad_gateway", `${name} could not store the set: ${cause.message}`, { cause });
  };

interface Made {
  at: string;
  span: { since?: string | undefined; until: string };
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
  read: { operations: read.operations, reviews: read.reviews, playbooks: read.playbooks },
  sets,
  skipped,
});

/** Nothing of a distillation that failed stays; without its manifest a set is none, should this fail too. */
async function eraseAll({ deps }: Parts, keys: readonly string[]): Promise<void> {
  const { storaged } = deps.peers;
  const ends = await Promise.allSettled(keys.map((key) => storaged.verbs.erase({ key })));
  const left = keys.filter((_, at) => ends[at]?.status === "rejected");
  if (left.length > 0) deps.log.warn("what a failed distillation wrote could not be erased", { keys: left });
}
