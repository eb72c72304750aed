/** One look after the other at a place that is watched: which of its files are new, and how it goes when they are taken. */
import type { ReplyOf } from "../../../runtime/contract/contract.ts";
import { fail, ServiceError, toWire } from "../../../runtime/errors/errors.ts";
import { timestamp } from "../../../runtime/scheduling/scheduling.ts";
import { describe } from "../../../runtime/telemetry/telemetry.ts";
import type { Ingestd } from "../contract.ts";
import type { IngestParts } from "../jobs/jobs.ts";
import { load, type Receive, storeBody } from "../requests/requests.ts";
import { type Found, filesIn } from "./places.ts";
import type { Watch } from "./settings.ts";
import { type Taken, type TakenBefore, takenBy } from "./taken.ts";

type Facts = ReplyOf<Ingestd["endpoints"]["watches"]>["watches"][number];
type Refused = Facts["refused"][number];

export interface Look {
  watch: Watch;
  /** Takes what is new. Where the place, the catalog or storage is away it is a `problem`, and files that are bad are `refused`. */
  look: () => Promise<void>;
  facts: () => Facts;
}

/** What became of a file that is not taken. */
interface Settled {
  as: string;
  /** As what it had been taken. */
  before: TakenBefore | undefined;
  /** Absent where it is what was taken before. */
  error?: Refused["error"];
}

export interface Looking {
  parts: IngestParts;
  lifetime: AbortSignal;
  /** Runs the work on a file. */
  within: <T>(work: () => Promise<T>) => Promise<T>;
}

/** Refused files that are listed. */
const listedMax = 100;

export function createLook(watch: Watch, looking: Looking): Look {
  const { parts, lifetime } = looking;
  const { deps } = parts;
  let taken: Taken | undefined;
  /** As the look before saw them. */
  let seen = new Map<string, string>();
  const settled = new Map<string, Settled>();
  const facts: Pick<Facts, "waiting" | "looked_at" | "problem"> = { waiting: 0 };

  /** Takes the file, unless it is what was taken before. */
  const taking = async (found: Found, known: Taken): Promise<void> => {
    const before = known.files.get(found.file);
    try {
      if (before && (await hashOf(found, lifetime)) === before.sha256)
        return void settled.set(found.file, { as: identity(found), before });
      if (before && watch.input.mode === "append") throw takenBefore(before, watch);
      known.files.set(found.file, await take(found, known.next, watch, looking));
      known.next += 1;
      settled.delete(found.file);
    } catch (cause) {
      lifetime.throwIfAborted();
      if (!isOfFile(cause)) throw cause;
      const { type, message } = toWire(cause);
      settled.set(found.file, { as: identity(found), before, error: { type, message } });
      deps.log.warn("a file of a watch is not taken", {
        watch: watch.name,
        file: found.file,
        reason: message,
      });
    }
  };
  const lookOnce = async () => {
    const reading = { deps, requestId: `watch-${deps.newId()}`, signal: lifetime };
    // Before the files: what another one took since is not taken for new.
    taken = await takenBy(watch, reading, taken);
    const all = await filesIn(watch, deps, lifetime);
    const [before, known] = [seen, taken];
    seen = new Map(all.map((found) => [found.file, identity(found)]));
    for (const file of settled.keys()) if (!seen.has(file)) settled.delete(file);
    const fresh = all.filter((found) => isNew(found, known.files.get(found.file), settled.get(found.file)));
    const still = fresh.filter((found) => found.isWhole || before.get(found.file) === identity(found));
    facts.waiting = fresh.length - still.length;
    for (const found of still) await taking(found, known);
  };

  return {
    watch,
    look: async () => {
      try {
        await lookOnce();
        delete facts.problem;
      } catch (cause) {
        // What is known may not be so any more: an end may be unknown.
        taken = undefined;
        lifetime.throwIfAborted();
        const { message } = toWire(cause);
        if (message !== facts.problem)
          deps.log.warn("a place that is watched waits", { watch: watch.name, ...describe(cause) });
        facts.problem = message;
      } finally {
        facts.looked_at = timestamp(deps.clock);
      }
    },
    facts: () => {
      const refused = [...settled].flatMap(([file, { error }]) => (error ? [{ file, error }] : []));
      const { name, from, files, input } = watch;
      return {
        ...{ name, dataset: input.name, from, files, mode: input.mode, ...facts },
        ...(taken && { taken: taken.files.size }),
        refused: refused.slice(0, listedMax),
        refused_total: refused.length,
      };
    },
  };
}

const identity = ({ bytes, modified }: Pick<Found, "bytes" | "modified">) => `${bytes} ${modified}`;

const isNew = (found: Found, before: TakenBefore | undefined, settled: Settled | undefined): boolean => {
  const isSettled = settled?.as === identity(found) && settled.before?.sha256 === before?.sha256;
  return !isSettled && (before === undefined || identity(before) !== identity(found));
};

/** Of the file itself, or of what it is to be: as it is it will not be taken. All else is tried again. */
const isOfFile = (cause: unknown): cause is ServiceError =>
  cause instanceof ServiceError && cause.status < 500 && cause.type !== "too_many_requests";

const takenBefore = ({ version }: TakenBefore, { input: { name }, taken }: Watch) =>
  fail(
    "conflict",
    `it was taken with other content (version ${version} of ${name}), and with mode append its rows would come twice: give it another name, or delete its row from ${taken}`,
  );

async function hashOf(found: Found, signal: AbortSignal): Promise<string> {
  const { request, end } = await found.open(signal);
  const hash = new Bun.CryptoHasher("sha256");
  try {
    for await (const chunk of request.body ?? []) {
      signal.throwIfAborted();
      hash.update(chunk);
    }
  } finally {
    await end();
  }
  return hash.digest("hex");
}

/** Puts the file's rows into the dataset, with the row by which it is not taken again. */
async function take(
  found: Found,
  next: number,
  { name: watch, input }: Watch,
  { parts, lifetime, within }: Looking,
): Promise<TakenBefore> {
  const { file, bytes, modified } = found;
  const hash = new Bun.CryptoHasher("sha256");
  let sha256 = "";
  const receive: Receive = async (task) => {
    const { request, end } = await found.open(task.job.signal);
    const onFile = (piece: Uint8Array) => void hash.update(piece);
    const received = await storeBody(task, parts, { request, filename: file, onFile }).finally(end);
    sha256 = hash.digest("hex");
    return { ...received, fingerprint: () => sha256, taken: { watch, file, bytes, modified, sha256, next } };
  };
  const request = new Request("http://localhost/", { method: "POST" });
  const context = { request, requestId: `watch-${parts.deps.newId()}`, signal: lifetime };
  const { manifest } = await within(() => load(input, context, parts, { receive }));
  return { bytes, modified, sha256, version: manifest.version };
}
