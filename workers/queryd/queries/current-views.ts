/**
 * Views as they are now. What the catalog keeps of one are the columns that it had when it was made; since then a dataset
 * that it reads may have other columns. They are worked out when somebody asks, and again when what the view reads has
 * another schema.
 */
import { LRUCache } from "lru-cache";
import { ServiceError } from "../../../runtime/errors/errors.ts";
import { fold } from "../../../runtime/sql/sql.ts";
import type { Snapshot, View } from "../catalog/catalog.ts";
import type { Session } from "../engine/engine.ts";
import { describeIn } from "./description.ts";
import type { Components } from "./execution.ts";

export interface CurrentView {
  columns: View["columns"];
  reads?: string[];
  /** Why it cannot be read; its columns are those of when it was made. */
  problem?: string;
  schema_fingerprint: string;
}

export interface CurrentViews {
  /** In the order asked. */
  of: (views: readonly View[], signal: AbortSignal) => Promise<CurrentView[]>;
  /** The snapshot with the columns that its views have, for lists of tables; looked at in a session that is there. */
  listed: (snapshot: Snapshot, session: Session) => Promise<Snapshot>;
}

/** What was found out, and what it depends on as that was then. */
interface Known {
  current: CurrentView;
  state: string;
}

/** As many as the catalog keeps. */
const viewsMax = 2000;

export function createCurrentViews(components: () => Components): CurrentViews {
  const known = new LRUCache<string, Known>({ max: viewsMax });
  const lookAt = async (view: View, session: Session): Promise<Known> => {
    try {
      const { description, snapshot } = await describeIn(session, components(), {
        sql: view.sql,
        as: view.name,
      });
      const { reads } = description;
      const columns = [...description.columns];
      const current = { columns, reads, schema_fingerprint: fingerprint(columns) };
      return { current, state: stateOf(view, current, snapshot) };
    } catch (cause) {
      if (!(cause instanceof ServiceError) || !isOfView(cause)) throw cause;
      const { snapshot } = await components().catalog.current();
      const { message: problem } = cause;
      const { columns } = view;
      const current = { columns, problem, schema_fingerprint: fingerprint(columns, problem) };
      return { current, state: stateOf(view, current, snapshot) };
    }
  };
  const all = async (views: Iterable<View>, sessionFor: () => Promise<Session>): Promise<CurrentView[]> => {
    const { snapshot } = await components().catalog.current();
    const found: CurrentView[] = [];
    for (const view of views) {
      const before = known.get(fold(view.name));
      const isFresh = before !== undefined && before.state === stateOf(view, before.current, snapshot);
      const now = isFresh ? before : await lookAt(view, await sessionFor());
      known.set(fold(view.name), now);
      found.push(now.current);
    }
    return found;
  };
  return {
    of: async (views, signal) => {
      let session: Session | undefined;
      try {
        return await all(views, async () => {
          session ??= await components().engines.session(signal, "views");
          return session;
        });
      } finally {
        session?.release();
      }
    },
    listed: async (snapshot, session) => {
      if (snapshot.views.size === 0) return snapshot;
      const now = await all(snapshot.views.values(), async () => session);
      const views = [...snapshot.views].map(
        ([name, view], at) => [name, { ...view, columns: now[at]?.columns ?? view.columns }] as const,
      );
      return { ...snapshot, views: new Map(views) };
    },
  };
}

const fingerprint = (columns: View["columns"], problem = ""): string =>
  Bun.hash(JSON.stringify([columns, problem])).toString(36);

/** What is wrong with what it reads, and not with the moment. */
const isOfView = ({ type, status }: ServiceError): boolean =>
  [400, 403, 404, 422].includes(status) || type === "corrupt";

/** Of the view and of the schemas of what it reads; where that is not known, of the whole catalog. */
function stateOf(view: View, { reads }: CurrentView, snapshot: Snapshot): string {
  const own = [view.version, view.created_at];
  if (!reads) return JSON.stringify([...own, snapshot.etag]);
  return JSON.stringify([...own, ...reads.map((name) => schemaOf(name, snapshot))]);
}

function schemaOf(name: string, { datasets, views }: Snapshot): unknown[] {
  const manifest = datasets.get(name);
  if (manifest) return [manifest.dataset_id, manifest.schema_fingerprint];
  const view = views.get(fold(name));
  return view ? [view.version, view.created_at] : [];
}
