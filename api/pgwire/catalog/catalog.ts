/**
 * Questions about tables, columns and types, answered by PostgreSQL itself: in a child process, which begins with the
 * first such question and is given what has changed in the catalog before each.
 */
import { join } from "node:path";
import { createChildPool, type Lease } from "../../../runtime/child/child.ts";
import { fail } from "../../../runtime/errors/errors.ts";
import { program } from "../../../runtime/program/program.ts";
import { createLimiter } from "../../../runtime/scheduling/scheduling.ts";
import type { Deps } from "../../../runtime/service/service.ts";
import type { Catalogd } from "../../../workers/catalogd/contract.ts";
import { type PostgresCatalog, postgresCatalog } from "./child.ts";
import { dropStatement, tableStatement } from "./tables.ts";

interface CatalogRequest {
  messages: Uint8Array;
  settings: ReadonlyMap<string, string>;
  signal: AbortSignal;
}

export interface Catalog {
  /** What PostgreSQL answers to the messages; `readsRows` where they read a dataset, whose rows are not there. */
  ask: (request: CatalogRequest) => Promise<{ bytes: Uint8Array; readsRows: boolean }>;
  stop: () => Promise<void>;
}

/** Longest question: those of tools take milliseconds, and one that does not end holds up the others. */
const questionTimeoutMs = 30_000;
/** Children, and so questions at once: each takes 280 MB. */
const childrenMax = 1;
/** What questions may take beside that before the child is ended, in bytes. */
const memoryBytesMax = 700_000_000;
const waitingMax = 1000;
const graceMs = 500;
/** The files of PostgreSQL are in memory; a program has its libraries and sockets. */
const openFilesMax = 256;

/** What a child was told of. */
interface Known {
  etag: string | undefined;
  tables: Map<string, string>;
  views: ReadonlySet<string>;
}

export function openCatalog(deps: Deps<{ catalogd: Catalogd }>): Catalog {
  const { clock, log, metrics, peers } = deps;
  const pool = createChildPool({
    contract: postgresCatalog,
    entry: program("api/pgwire/catalog/main.ts"),
    init: {},
    idleMin: 0,
    scratch: join(deps.directory, "pgwire"),
    readable: [],
    writable: async () => [],
    openFilesMax,
    callTimeoutMs: questionTimeoutMs,
    graceMs,
    memoryBytesMax,
    called: "pgwire_catalog_process",
    ...{ clock, log, metrics },
  });
  const refusal = () =>
    fail("too_many_requests", `${waitingMax} questions about the catalog wait already`, {
      retryAfterSeconds: 1,
    });
  const limiter = createLimiter(childrenMax, { waitingMax, refusal });
  const children = new WeakMap<object, Known>();
  const knownOf = ({ identity }: Lease<PostgresCatalog>): Known => {
    const known = children.get(identity) ?? { etag: undefined, tables: new Map(), views: new Set() };
    children.set(identity, known);
    return known;
  };
  const update = async (lease: Lease<PostgresCatalog>): Promise<void> => {
    const known = knownOf(lease);
    const asked = known.etag === undefined ? {} : { known: known.etag };
    const { manifests, removed, views, catalog_etag: etag } = await peers.catalogd.verbs.snapshot(asked);
    if (manifests) {
      const names = new Set(views ? views.map(({ name }) => name) : known.views);
      const gone = [...known.views].filter((name) => !names.has(name));
      // Views are tables as well to whoever looks for columns. A name that is free again may be a dataset's now.
      const shown = [...(views ?? []), ...manifests];
      const { statements, tables } = changes(known.tables, shown, removed && [...removed, ...gone]);
      known.views = names;
      const { failed } = await lease.verbs.apply({ statements }, { timeoutMs: applyTimeoutMs });
      for (const { statement, reason } of failed)
        log.warn("a dataset cannot be shown to clients of PostgreSQL", { statement, reason });
      known.tables = tables;
    }
    known.etag = etag;
  };
  return {
    ask: async ({ messages, settings, signal }) => {
      const done = await limiter.take(signal);
      const lease = await pool.lease(signal).catch((cause) => {
        done();
        throw cause;
      });
      const late = clock.after(questionTimeoutMs, () => lease.kill(tooLong()));
      const leave = () => lease.kill(fail("client_closed", "the question was given up"));
      signal.addEventListener("abort", leave, { once: true });
      try {
        await update(lease);
        return await lease.verbs.ask({ messages, settings: [...settings] });
      } finally {
        late();
        signal.removeEventListener("abort", leave);
        lease.release();
        done();
      }
    },
    stop: pool.stop,
  };
}

/** Making thousands of tables takes seconds. */
const applyTimeoutMs = 10 * 60_000;

const tooLong = () =>
  fail("timeout", `a question about the catalog did not end within ${questionTimeoutMs} ms`);

type Manifests = readonly Parameters<typeof tableStatement>[0][];

/** The statements that bring the tables to what the catalog has: only what changed. */
function changes(
  before: ReadonlyMap<string, string>,
  manifests: Manifests,
  removed: readonly string[] | undefined,
) {
  const tables = new Map(removed ? before : []);
  for (const name of removed ?? []) tables.delete(name);
  const statements: string[] = [];
  for (const manifest of manifests) {
    const statement = tableStatement(manifest);
    if (statement === undefined) tables.delete(manifest.name);
    else if (before.get(manifest.name) !== statement) statements.push(statement);
    if (statement !== undefined) tables.set(manifest.name, statement);
  }
  const gone = [...before.keys()].filter((name) => !tables.has(name));
  return { statements: [...gone.map(dropStatement), ...statements], tables };
}
