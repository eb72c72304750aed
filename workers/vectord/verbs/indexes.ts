/** The verbs about whole indexes: making, listing, dropping, compacting, snapshots. */
import type { InputOf, ReplyOf, VerbsOf } from "../../../runtime/contract/contract.ts";
import { fail, invalidField } from "../../../runtime/errors/errors.ts";
import { recordedModel } from "../../../runtime/models/models.ts";
import { pageById } from "../../../runtime/pages/pages.ts";
import { type Clock, timestamp } from "../../../runtime/scheduling/scheduling.ts";
import { checkShapes } from "../bodies/bodies.ts";
import type { Vectord } from "../contract.ts";
import { type Indexes, type LiveIndex, type Names, taken } from "../indexes/indexes.ts";
import { localName } from "../remote/remote.ts";
import type { IndexConfig } from "../schemas/schemas.ts";
import type { Texts } from "./texts.ts";

type IndexVerbs = Pick<VerbsOf<Vectord>, "create" | "list" | "info" | "change" | "drop" | "compact">;
type SnapshotVerbs = Pick<VerbsOf<Vectord>, "snapshots" | "snapshot" | "restore" | "dropSnapshot">;
type Info = ReplyOf<Vectord["endpoints"]["info"]>;

interface IndexParts {
  indexes: Indexes;
  names: Names;
  texts: Texts;
  clock: Pick<Clock, "now">;
}

export function indexVerbs({ indexes, names, texts, clock }: IndexParts): IndexVerbs {
  const infoOf = (live: LiveIndex): Info => ({ ...live.info(), aliases: names.aliasesOf(live.config.name) });
  return {
    create: async (input, { operation, signal }) => {
      names.refuseAlias(input.name);
      checkShapes(input.vectors);
      const config = configOf({ ...input, ...(await shapeOf(input, texts, signal)) }, clock);
      // A run whose end nobody saw may have made it.
      const made = operation?.again && indexes.has(input.name) ? indexes.get(input.name) : undefined;
      if (made && Bun.deepEquals({ ...made.config, created_at: "" }, { ...config, created_at: "" }))
        return infoOf(made);
      return infoOf(await indexes.create(config));
    },
    list: async (asked) => {
      const { page, next } = pageById(indexes.open(), asked, ({ config }) => config.name);
      const unreadable = indexes.unreadable();
      return {
        indexes: page.map(infoOf),
        ...(unreadable.length > 0 && { unreadable }),
        ...next,
      };
    },
    info: async ({ name }) => infoOf(names.resolve(name)),
    change: async ({ name, engine, ...change }) => {
      if (engine === undefined && Object.keys(change).length === 0)
        throw fail(
          "bad_request",
          "expected 'memory', 'quantization' or 'engine': nothing else of an index changes",
        );
      const index = sourceOf(name, indexes, names);
      return infoOf(await indexes.change(index, { ...change, ...(engine && { engine: engineOf(engine) }) }));
    },
    drop: async ({ name }) => {
      const index = ownName(name, indexes, names);
      const aliases = names.aliases().of(index);
      if (aliases.length > 0)
        throw fail(
          "conflict",
          `the alias ${aliases.join(", ")} points to index '${index}'; switch or drop it first`,
        );
      await indexes.drop(index);
      return { dropped: true, name: index };
    },
    compact: async ({ name }) => {
      const live = names.resolve(name);
      await live.compact();
      return infoOf(live);
    },
  };
}

/** An alias is not followed where an index is destroyed: the caller must say which one. */
function ownName(name: string, indexes: Indexes, names: Names): string {
  const target = indexes.has(name) ? undefined : names.aliases().target(name);
  if (target === undefined) return name;
  throw fail(
    "conflict",
    `'${name}' is an alias of index '${target}'; drop the alias, or the index by its name`,
  );
}

/** What an index gets when its creator names nothing else; ADR 0063 has the measurements. */
export const defaults = {
  metric: "cosine",
  type: "hnsw",
  /** Half of f32's memory and build time; its rounding is undone by scoring the candidates with the f32 rows. */
  quantization: "bf16",
  /** Links of a node (M) and candidates while building: usearch's own defaults. */
  connectivity: 16,
  ef_construction: 128,
  ef_search: 96,
} as const;

type Asked = InputOf<Vectord["endpoints"]["create"]>;

/**
 * The dimension, the model's own where none is given, and the model by the id that says which version it is. Throws
 * `invalid_field` where neither says how long vectors are.
 */
async function shapeOf({ dimension, embedding_model: model }: Asked, texts: Texts, signal: AbortSignal) {
  if (dimension !== undefined)
    return { dimension, ...(model !== undefined && { embedding_model: recordedModel(model, dimension) }) };
  if (model !== undefined) return texts.shapeOf(model, signal);
  throw invalidField("dimension", "expected the numbers of a vector, or an 'embedding_model' that says them");
}

function configOf(input: Asked & { dimension: number }, clock: Pick<Clock, "now">): IndexConfig {
  const { name, dimension, engine, ...chosen } = input;
  const isHere = engine === undefined || engine === localName;
  return {
    ...{ name, dimension, ...defaults },
    // Rows whose graph is elsewhere are read for a few hits of each search: they need not be in memory.
    ...(!isHere && { engine, memory: "graph" as const }),
    ...chosen,
    created_at: timestamp(clock),
  };
}

export function snapshotVerbs(indexes: Indexes, names: Names): SnapshotVerbs {
  return {
    snapshots: async ({ name }) => ({ snapshots: await names.resolve(name).journal.snapshots() }),
    snapshot: ({ name }) => names.resolve(name).snapshot(),
    restore: async ({ name, snapshot, as, engine }) => {
      const from = sourceOf(name, indexes, names);
      const to = as ?? from;
      if (to !== from) {
        names.refuseAlias(to);
        if (indexes.has(to)) throw taken(to);
      }
      const live = await indexes.restore(from, snapshot, to, engine && engineOf(engine));
      return { ...live.info(), aliases: names.aliasesOf(to) };
    },
    dropSnapshot: async ({ name, snapshot }) => {
      await names.resolve(name).journal.dropSnapshot(snapshot);
      return { dropped: true };
    },
  };
}

/** Null for none of others. */
const engineOf = (engine: string): string | null => (engine === localName ? null : engine);

/** The index's own name; it may be damaged, for a snapshot is how it comes back. */
function sourceOf(name: string, indexes: Indexes, names: Names): string {
  return indexes.has(name) ? name : names.resolve(name).config.name;
}
