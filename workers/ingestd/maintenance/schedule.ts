/**
 * The schedule: datasets are compacted soon after they have come to many small objects, and shortened when they have more
 * versions than are ever kept, as the catalog's changes say; old versions go every `maintenance_every_minutes`, orphans
 * once a day. One thing at a time.
 */
import { ServiceError } from "../../../runtime/errors/errors.ts";
import { inRounds } from "../../../runtime/scheduling/scheduling.ts";
import { describe, type Log } from "../../../runtime/telemetry/telemetry.ts";
import type { DatasetManifest, IngestParts } from "../jobs/jobs.ts";
import { type Call, runsOf } from "./datasets.ts";
import type { Steps } from "./steps.ts";

export interface Schedule {
  /** When versions are looked at next, in milliseconds since the epoch. */
  nextAt: () => number;
  /** Resolves when the signal of the call has ended it. */
  ended: Promise<void>;
}

interface Scheduled {
  steps: Steps;
  /** Runs work when nothing else of maintenance runs. */
  turn: <T>(call: Call, work: () => Promise<T>) => Promise<T>;
  /** The settings' rules, and the signal that ends the schedule. */
  call: Call;
}

/** Between two looks at what changed: of many small commits several are merged at once. */
const restMs = 1000;
/** How long one look waits for a change. */
const waitMs = 20_000;
const dayMs = 24 * 60 * 60 * 1000;
const afterFailureMs = 30_000;
/** A chain is shortened once so many versions would go, as a share of those that are kept: each expiry makes one too. */
const worthwhile = 0.1;
/** The first look comes after the start has ended. */
const afterStartMs = 5000;

export function startSchedule(
  { deps }: Pick<IngestParts, "deps">,
  { steps, turn, call }: Scheduled,
): Schedule {
  const { clock, config, log, peers } = deps;
  const { signal } = call;
  const everyMs = config.catalogd.maintenance_every_minutes * 60_000;
  let etag: string | undefined;
  const due = { compact: new Set<string>(), expire: new Set<string>() };
  /** Datasets that are not tried again before the next time. */
  const failed = new Set<string>();
  let nextAt = clock.now() + everyMs;
  let sweepAt = clock.now() + everyMs;

  /** Which of what changed has objects to merge. */
  const look = async () => {
    if (etag !== undefined)
      await peers.catalogd.verbs.changes(
        { since: etag, wait_ms: untilNext() },
        { signal, timeoutMs: waitMs + 5000 },
      );
    const news = await peers.catalogd.verbs.snapshot(etag === undefined ? {} : { known: etag }, { signal });
    etag = news.catalog_etag;
    for (const manifest of news.manifests ?? []) {
      const { name } = manifest;
      if (failed.has(name)) continue;
      if (runsOf(manifest, call).length > 0) due.compact.add(name);
      if (isTooLong(manifest, call)) due.expire.add(name);
    }
  };
  const untilNext = () => Math.max(0, Math.min(waitMs, nextAt - clock.now()));
  const attempt = (what: string, work: () => Promise<unknown>) => attempted(what, work, { signal, log });
  const round = async () => {
    await look();
    const each = async (step: "compact" | "expire") => {
      const work = (name: string): Promise<unknown> => steps[step](name, call);
      for (const name of taken(due[step]))
        if (!(await attempt(`${step} '${name}'`, () => turn(call, () => work(name))))) failed.add(name);
    };
    await each("compact");
    await each("expire");
    if (clock.now() < nextAt) return;
    nextAt = clock.now() + everyMs;
    // What could not be merged may be by now.
    call.left.clear();
    failed.clear();
    etag = undefined;
    const { names: crowded } = await peers.catalogd.verbs.crowded(
      { versions: call.rules.keepVersions },
      { signal },
    );
    for (const name of crowded)
      await attempt(`expire versions of '${name}'`, () => turn(call, () => expireWhereWorthwhile(name)));
    if (clock.now() < sweepAt) return;
    sweepAt = clock.now() + dayMs;
    await attempt("remove orphans", () => turn(call, () => steps.sweep(call)));
  };
  const expireWhereWorthwhile = async (name: string) => {
    const { versions } = await steps.expire(name, { ...call, dryRun: true });
    if (versions.length >= Math.max(1, call.rules.keepVersions * worthwhile)) await steps.expire(name, call);
  };
  const pace = { clock, signal, firstMs: Math.min(afterStartMs, everyMs), restMs, afterFailureMs };
  const ended = inRounds(pace, round, (cause) => {
    log.info("maintenance waits", describe(cause));
    etag = undefined;
  });
  return { nextAt: () => nextAt, ended };
}

/** Its chain is beyond the most that are kept: what goes then does not wait for the next time. */
const isTooLong = ({ version, first_version = 1 }: DatasetManifest, { rules }: Call): boolean =>
  version - first_version + 1 > rules.maxVersions * (1 + worthwhile);

/** All names, which are no longer due. */
function taken(names: Set<string>): string[] {
  const all = [...names];
  names.clear();
  return all;
}

/** Does the work and says whether it did not fail: a step that fails for one dataset leaves the others theirs. */
async function attempted(
  what: string,
  work: () => Promise<unknown>,
  { signal, log }: { signal: AbortSignal; log: Log },
): Promise<boolean> {
  signal.throwIfAborted();
  try {
    await work();
    return true;
  } catch (cause) {
    signal.throwIfAborted();
    const isGone = cause instanceof ServiceError && cause.type === "not_found";
    if (!isGone) log.warn(`maintenance could not ${what}`, describe(cause));
    return isGone;
  }
}
