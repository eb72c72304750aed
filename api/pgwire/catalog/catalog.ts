/**
 * Questions about tables, columns and types, answered by PostgreSQL itself: in a child process, which begins with the
 * first such question and is given what has changed in the catalog before each.
 */
import { join } from "node:path";
import { createChildPool, type Lease } from "../../../runtime/child/child.ts";
import type { Peer, ReplyOf } from "../../../runtime/contract/contract.ts";
import { fail } from "../../../runtime/errors/errors.ts";
import { program } from "../../../runtime/program/program.ts";
import { createLimiter } from "../../../runtime/scheduling/scheduling.ts";
import type { Deps } from "../../../runtime/service/service.ts";
import type { Catalogd } from "../../../workers/catalogd/contract.ts";
import type { Queryd } from "../../../workers/queryd/contract.ts";
import { type PostgresCatalog, postgresCatalog } from "./child.ts";
import { type Made, type Relation, relationStatements } from "./tables.ts";

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
  relations: Map<string, Made>;
  views: ReadonlySet<string>;
}

export function openCatalog(deps: Deps<{ catalogd: Catalogd; queryd: Queryd }>): Catalog {
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
    const known = children.get(identity) ?? { etag: undefined, relations: new Map(), views: new Set() };
    children.set(identity, known);
    return known;
  };
  const update = async (lease: Lease<PostgresCatalog>, signal: AbortSignal): Promise<void> => {
    const known = knownOf(lease);
    const asked = known.etag === undefined ? {} : { known: known.etag };
    const reply = await peers.catalogd.verbs.snapshot(asked, { signal });
    const { manifests, removed, catalog_etag: etag } = reply;
    if (manifests) {
      const hasViews = reply.views ? reply.views.length > 0 : known.views.size > 0;
      // Their columns change with those of the datasets that they read, which queryd knows.
      const views = hasViews ? await viewsOf(peers.queryd, signal) : [];
      const names = new Set(views.map(({ name }) => name));
      const gone = [...known.views].filter((name) => !names.has(name));
      // A name that is free again may be a dataset's now.
      const shown = [...views, ...manifests];
      const { statements, relations } = changes(known.relations, shown, removed && [...removed, ...gone]);
      known.views = names;
      const { failed } = await lease.verbs.apply({ statements }, { timeoutMs: applyTimeoutMs });
      for (const { statement, reason } of failed)
        log.warn("a dataset cannot be shown to clients of PostgreSQL", { statement, reason });
      known.relations = relations;
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
        await update(lease, signal);
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

/** All views as they are now. */
async function viewsOf(queryd: Peer<Queryd>, signal: AbortSignal): Promise<Relation[]> {
  const found: Relation[] = [];
  let page: { page_token?: string } | undefined = {};
  while (page) {
    const { views, next_page_token: token }: ReplyOf<Queryd["endpoints"]["views"]> = await queryd.verbs.views(
      page,
      { signal },
    );
    for (const { name, columns, description, sql } of views)
      found.push({ name, columns, view: description ?? sql });
    page = token === undefined ? undefined : { page_token: token };
  }
  return found;
}

/** The statements that bring the relations to what the catalog has: only what changed. */
function changes(
  before: ReadonlyMap<string, Made>,
  shown: readonly Relation[],
  removed: readonly string[] | undefined,
) {
  const relations = new Map(removed ? before : []);
  for (const name of removed ?? []) relations.delete(name);
  const statements: string[] = [];
  for (const relation of shown) {
    const { name } = relation;
    const made = relationStatements(relation);
    const old = before.get(name);
    if (made) relations.set(name, made);
    else relations.delete(name);
    if (made && made.create !== old?.create)
      statements.push(old ? `${old.drop}; ${made.create}` : made.create);
  }
  const gone = [...before].filter(([name]) => !relations.has(name)).map(([, { drop }]) => drop);
  return { statements: [...gone, ...statements], relations };
}
