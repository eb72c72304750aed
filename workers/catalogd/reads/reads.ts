/** The verbs that read the registry, its past and its changes. */
import pMap from "p-map";
import type { CallContext, VerbsOf } from "../../../runtime/contract/contract.ts";
import { fail } from "../../../runtime/errors/errors.ts";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import type { Deps } from "../../../runtime/service/service.ts";
import type { Committing, Return, Write } from "../commits/commits.ts";
import type { Catalogd } from "../contract.ts";
import type { DefinitionStore } from "../definitions/definitions.ts";
import type { Upkeep } from "../expiry/expiry.ts";
import { type History, timeFrom } from "../history/history.ts";
import type { Opening, OpenTables } from "../open/open.ts";
import { type Changes, page, type Registry } from "../registry/registry.ts";
import { checkName, isLive, summaryOf } from "../versions/versions.ts";

const pageSizeDefault = 1000;
/** Versions in an answer that names no page size: each is a manifest that is read. */
const versionsPerPage = 100;
/** Wait of a subscriber that names none, in milliseconds; below the deadline of a call. */
const changesWaitMs = 20_000;
/** How long lists and snapshots wait for storage to resolve an unknown outcome, in milliseconds. */
const resolveWaitMs = 1000;

/** Of datasets, and of views where there are any. */
export const catalogEtag = ({
  registry,
  definitions,
}: {
  registry: Pick<Registry, "etag">;
  definitions: Pick<DefinitionStore, "views">;
}): string => [registry.etag(), definitions.views().etag].filter(Boolean).join("-");

/** Waits for the work, at most so long. */
async function within(clock: Pick<Clock, "sleep">, ms: number, work: Promise<unknown>): Promise<void> {
  const over = new AbortController();
  await Promise.race([work, clock.sleep(ms, over.signal)]);
  over.abort();
}

/** Why datasets that are registered cannot be read. */
function unreadableOf(registry: Pick<Registry, "damaged">) {
  const damaged = registry.damaged().map(({ name, reason, closed }) => {
    const type = closed ? ("memory_full" as const) : ("corrupt" as const);
    return { name, type, reason };
  });
  return damaged.length > 0 ? { unreadable: damaged } : {};
}

type Read = Exclude<
  keyof VerbsOf<Catalogd>,
  Write | Return | Upkeep | Opening | keyof DefinitionStore["verbs"]
>;

export function readVerbs(
  { clock }: Pick<Deps, "clock">,
  {
    registry,
    definitions,
    changes,
    history,
    concurrency,
    resolveUnknown,
    made,
    open,
  }: {
    registry: Registry;
    definitions: DefinitionStore;
    changes: Changes;
    history: History;
    concurrency: number;
    open: Pick<OpenTables, "rowsPlace">;
  } & Omit<Committing, "commit">,
): Pick<VerbsOf<Catalogd>, Read> {
  /** Lists and snapshots wait this long for unknown outcomes, and go on without those that storage does not resolve. */
  const resolveAll = async ({ requestId }: CallContext) => {
    const resolving = resolveUnknown(undefined, requestId).catch(() => undefined);
    await within(clock, resolveWaitMs, resolving);
  };
  const etag = () => catalogEtag({ registry, definitions });
  const unreadable = () => unreadableOf(registry);
  const read: VerbsOf<Catalogd>["manifest"] = async ({ name, ...which }, { requestId }) => {
    await resolveUnknown(name, requestId);
    return history.manifest(name, which);
  };
  return {
    manifest: read,
    versions: async ({ name, page_size = versionsPerPage, page_token }, { requestId }) => {
      await resolveUnknown(name, requestId);
      return { name, ...(await history.page(name, { token: page_token, size: page_size })) };
    },
    diff: async ({ name, ...versions }, { requestId }) => {
      await resolveUnknown(name, requestId);
      return { name, ...(await history.difference(name, versions)) };
    },
    past: async ({ asked }, context) => {
      await resolveAll(context);
      return { found: await pMap(asked, history.find, { concurrency }) };
    },
    admit: async ({ name }, { requestId }) => {
      await resolveUnknown(name, requestId);
      const place = await open.rowsPlace(name);
      if (place === undefined) {
        // Rejected rows of an open table are a dataset beside it.
        if (name.includes(".") && !isLive(registry.head(name)))
          throw fail("not_found", `there is no open table '${name}': an engine makes it, by /iceberg`);
        checkName(name);
        registry.refuseCaseClash(name);
      }
      const next_version = (registry.head(name)?.version ?? 0) + 1;
      return { next_version, ...place };
    },
    made: async ({ name, operation_id }, { requestId }) => {
      const version = await made(name, operation_id, requestId);
      return isLive(version) ? { manifest: version } : {};
    },
    list: async ({ page_size = pageSizeDefault, page_token }, context) => {
      await resolveAll(context);
      const { items, next } = page(registry.manifests(), { token: page_token, size: page_size });
      return {
        datasets: items.map(summaryOf),
        catalog_etag: etag(),
        ...unreadable(),
        ...(next !== undefined && { next_page_token: next }),
      };
    },
    changes: async ({ since, wait_ms = changesWaitMs }, { signal }) => {
      if (since !== undefined) await changes.wait(since, wait_ms, signal);
      return { catalog_etag: etag() };
    },
    snapshot: async ({ known, as_of }, context) => {
      await resolveAll(context);
      const catalog_etag = etag();
      const { views } = definitions.views();
      if (as_of !== undefined) {
        const manifests = await history.everything(timeFrom(as_of), concurrency);
        return { catalog_etag: `${catalog_etag}@${as_of}`, manifests, views, ...unreadable() };
      }
      if (known === catalog_etag) return { catalog_etag };
      const [knownDatasets, ...knownViews] = known?.split("-") ?? [];
      const news = knownDatasets === undefined ? undefined : registry.since(knownDatasets);
      const others = knownViews.join("") === definitions.views().etag && news ? {} : { views };
      if (news)
        return { catalog_etag, manifests: news.changed, removed: news.removed, ...others, ...unreadable() };
      return { catalog_etag, manifests: [...registry.manifests()], views, ...unreadable() };
    },
  };
}
