/**
 * An engine on other machines that holds the vectors of indexes: what each kind must be able to do. It knows ids and
 * vectors; metadata, filters and what is acknowledged stay with vectord, so that every kind means the same by them.
 */
import type { EngineSpec } from "../engine/engine.ts";

/** The vectors of one index in the engine. */
export interface Collection extends Pick<EngineSpec, "dimension" | "metric"> {
  index: string;
  connectivity: number;
  efConstruction: number;
}

/** How far the engine has come with a collection; kept in the engine itself, beside the vectors. */
export interface Applied {
  /** Of the index's log: that of an earlier index of the name has another. */
  incarnation: string;
  dimension: number;
  metric: EngineSpec["metric"];
  /** All of the log up to this segment is in the engine; −1 while it is filled anew. */
  segment: number;
  /** Chosen anew by each process that fills it: what another wrote meanwhile is seen by it. */
  writer: string;
}

/** What the engine takes in one step: the vectors first, then the removals, then how far it has come. */
export interface Step {
  /** Nothing is done where the collection is another writer's; with `claims` it becomes this one's. */
  writer: string;
  claims?: true;
  ids: readonly string[];
  vectors: readonly Float32Array[];
  gone: readonly string[];
  applied?: Applied;
}

/** One namespace in one engine. Every call may throw whatever the engine says; the caller names the engine. */
export interface Driver {
  limits: {
    /** Longest vectors it can have a graph of. */
    dimension: number;
    /** Most links of a node, and candidates while its graph is built. */
    connectivity: number;
    efConstruction: number;
    /** Candidates of one search. */
    candidates: number;
    /** Vectors of one step. */
    items: number;
  };
  /** The store that the namespace belongs to; `store`, where it belongs to none yet or is taken over. */
  own: (store: string, takeOver: boolean) => Promise<string>;
  /** What the engine says of a collection; undefined where it has none, or one that is not whole. */
  applied: (collection: Collection) => Promise<Applied | undefined>;
  /** Makes it empty, in place of what there is. */
  reset: (collection: Collection, applied: Applied) => Promise<void>;
  write: (collection: Collection, step: Step) => Promise<void>;
  /** Where it does not grow with the rows: built once all are in and there are so many, unless it is there. Fewer are compared. */
  graph?: { from: number; build: (collection: Collection, signal: AbortSignal) => Promise<void> };
  /** For each query the ids of its nearest, nearest first, of every part of the collection or an error; and how far it had come. */
  search: (
    collection: Collection,
    query: RemoteQuery,
  ) => Promise<{ applied: Applied | undefined; ids: string[][] }>;
  drop: (index: string) => Promise<void>;
  /** It did not answer: calls that are open are given up, and new connections made. */
  renew: () => void;
  close: () => Promise<void>;
}

export interface RemoteQuery {
  queries: readonly Float32Array[];
  k: number;
  ef: number;
  signal: AbortSignal;
}

/** A refusal that waiting does not end, in words for the operator. */
export class EngineRefusal extends Error {}

/** The collection is another process's, or as it was some time ago: nothing was done. */
export class NotOurs extends Error {
  constructor() {
    super("the collection was restored, or another process wrote to it");
  }
}

/** What was stored by `JSON.stringify(applied)`; undefined for anything else. */
export function readApplied(text: unknown): Applied | undefined {
  if (typeof text !== "string") return undefined;
  try {
    const found = JSON.parse(text) as Partial<Applied> | null;
    return typeof found?.writer === "string" && Number.isInteger(found.segment)
      ? (found as Applied)
      : undefined;
  } catch {
    return undefined;
  }
}
