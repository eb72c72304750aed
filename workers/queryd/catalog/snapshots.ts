/** The catalog as queries see it: one immutable snapshot each, as new as the moment it was asked for. */
import type { Static } from "@sinclair/typebox";
import type { Peer } from "../../../runtime/contract/contract.ts";
import { fail, ServiceError } from "../../../runtime/errors/errors.ts";
import { fold } from "../../../runtime/sql/sql.ts";
import { describe, type Log } from "../../../runtime/telemetry/telemetry.ts";
import type {
  Catalogd,
  Manifest as ManifestSchema,
  Unreadable as UnreadableSchema,
  View as ViewSchema,
} from "../../catalogd/contract.ts";
import { operationsShape } from "./live-tables.ts";
import type { OpenFiles } from "./open-tables.ts";
import type { PastName } from "./past-name.ts";

export type Manifest = Static<typeof ManifestSchema> & {
  /** Of an open table whose files were asked for. */
  open?: OpenFiles;
  /** Of objects that are files of queryd itself: where they are, by key. */
  files?: ReadonlyMap<string, string>;
};
export type View = Pick<Static<typeof ViewSchema>, "name" | "version" | "created_at" | "sql" | "columns">;
type Unreadable = Static<typeof UnreadableSchema>;

export interface Snapshot {
  etag: string;
  datasets: ReadonlyMap<string, Manifest>;
  /** By their folded names. */
  views: ReadonlyMap<string, View>;
  /** Why datasets that are registered cannot be read, by name. */
  unreadable: ReadonlyMap<string, Unreadable>;
}

/** A version that was asked for, or why there is none; neither where there never was such a dataset. */
export interface Past {
  manifest?: Manifest;
  problem?: string;
}

export interface Catalog {
  /** What is registered now. `stale` when catalogd does not answer and an older snapshot stands in. */
  current: () => Promise<{ snapshot: Snapshot; stale: boolean }>;
  known: () => Snapshot | undefined;
  /** Versions that are past, in the order asked. Rejects as catalogd does. */
  past: (asked: readonly PastName[]) => Promise<Past[]>;
  /** Every dataset as of a time. */
  everything: (asOf: string) => Promise<Snapshot>;
}

/** Longest wait for catalogd before an older snapshot is used, where there is one; in milliseconds. */
const timeoutMs = 2000;

/**
 * Asks catalogd at each call; an unchanged catalog costs one small message. Calls that come while one is under way
 * share the next: an answer is never older than its question. `onChange` is awaited before a new snapshot is used.
 */
export function createCatalog(options: {
  catalogd: Peer<Catalogd>;
  log: Log;
  onChange: (snapshot: Snapshot) => Promise<void>;
}): Catalog {
  const { catalogd, log, onChange } = options;
  let snapshot: Snapshot | undefined;
  let failing = false;
  let running: Promise<void> | undefined;
  let next: Promise<void> | undefined;

  const ask = async (): Promise<void> => {
    const known = snapshot ? { known: snapshot.etag } : {};
    // Without an older one to go on with, the answer is worth the wait that every call has.
    const reply = await catalogd.verbs.snapshot(known, snapshot ? { timeoutMs } : {});
    if (reply.manifests) {
      // With `removed` the reply is what changed since the snapshot, else it is everything.
      const datasets = new Map(reply.removed ? snapshot?.datasets : []);
      for (const name of reply.removed ?? []) datasets.delete(name);
      for (const manifest of reply.manifests) datasets.set(manifest.name, manifest);
      datasets.set(operationsShape.name, operationsShape);
      const views = reply.views ? viewsOf(reply) : (snapshot?.views ?? new Map());
      const fresh = { etag: reply.catalog_etag, datasets, views, unreadable: unreadableOf(reply) };
      await onChange(fresh);
      snapshot = fresh;
    }
    if (failing) log.info("the catalog answers again");
    failing = false;
  };
  const refresh = (): Promise<void> => {
    if (!running) {
      running = ask().finally(() => {
        running = undefined;
      });
      return running;
    }
    next ??= running
      .catch(() => {})
      .then(() => {
        next = undefined;
        return refresh();
      });
    return next;
  };
  return {
    known: () => snapshot,
    current: async () => {
      try {
        await refresh();
      } catch (cause) {
        if (!snapshot) throw unread(cause);
        if (!failing)
          log.warn("the catalog does not answer: queries go on with what is known", describe(cause));
        failing = true;
      }
      if (!snapshot) throw unread(undefined);
      return { snapshot, stale: failing };
    },
    past: async (asked) => (await catalogd.verbs.past({ asked: [...asked] })).found,
    everything: async (asOf) => {
      const reply = await catalogd.verbs.snapshot({ as_of: asOf });
      const datasets = new Map(reply.manifests?.map((manifest) => [manifest.name, manifest]));
      return { etag: reply.catalog_etag, datasets, views: viewsOf(reply), unreadable: unreadableOf(reply) };
    },
  };
}

const viewsOf = ({ views = [] }: { views?: View[] }) => new Map(views.map((view) => [fold(view.name), view]));

const unreadableOf = ({ unreadable = [] }: { unreadable?: Unreadable[] }) =>
  new Map(unreadable.map((one) => [one.name, one]));

const unread = (cause: unknown): ServiceError =>
  cause instanceof ServiceError && cause.type === "corrupt"
    ? cause
    : fail("unavailable", "the catalog has not been read yet: catalogd does not answer", {
        retryAfterSeconds: 1,
        cause,
      });
