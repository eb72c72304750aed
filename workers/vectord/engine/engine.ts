/** What searches vectors, as the rest of vectord sees it: the interface, the types of index, distances. Nothing native is loaded here. */
import { fail } from "../../../runtime/errors/errors.ts";
import type { EngineSpec } from "./interface.ts";

export { createTopK, type Distance, distanceOf, type Metric, norm, scoreOf, type TopK } from "./distance.ts";
export type { Engine, EngineSpec, Engines, Neighbour, Neighbours, SearchOptions } from "./interface.ts";

// The types an index may have, and which engine stands behind each. Nothing native is loaded here.

export interface FaissPlan {
  engine: "faiss";
  family: "ivf_flat" | "ivf_pq" | "factory";
  /** Empty where it depends on the rows: see `factoryFor`. */
  factory: string;
  /** Inverted lists, 0 for none: each has a centroid to be trained. */
  lists: number;
  /** Rows needed to train codes, ranges or rotations; 0 where there are none. */
  trainFrom: number;
}
export type IndexPlan = { engine: "usearch" | "exact" | "codes" } | FaissPlan;

const expected =
  "hnsw, flat, ivf_flat, ivf_pq or a FAISS factory string such as IVF256,PQ32 or HNSW32,Flat or OPQ16_64,IVF256,PQ16 or SQ8";

// FAISS throws through its binding at some of what it does not know, which would end the process: only this is let in.
const transform = /^(L2norm|PCAR?|RR|OPQ(?=\d))(\d{1,5})?(?:_(\d{1,5}))?$/;
const coarse = /^IVF(\d{1,5})(?:_HNSW(\d{1,3}))?$/;
const code = /^(Flat|SQ4|SQ6|SQ8|SQfp16|PQ[1-9]\d{0,3}(?:np)?)$/;
const graph = /^HNSW(\d{1,3})(?:[,_](Flat|SQ4|SQ6|SQ8|SQfp16|PQ[1-9]\d{0,3}))?$/;

/** Rows that FAISS asks for to train a list. */
const rowsPerList = 39;
/**
 * A product code has 256 centroids a part. FAISS asks for 39 rows each here too and warns below, but takes four times
 * as long with them, and whatever a code rounds away the f32 rows put right.
 */
const codeRows = 256 * 10;
/** Rows to train a scalar's range. */
const rangeRows = 1024;
/** Lists that an `ivf_…` index begins with at least, and `ivf_pq` at most: its codes are trained on the same rows. */
const listsMin = 64;
const pqListsMax = 256;
/** Numbers FAISS may be trained with at once: its binding takes a list of doubles, 512 MiB of them. */
const trainingNumbersMax = 64 * 1024 * 1024;
const connectivityMax = 512;

const refuse = (message: string) => fail("bad_request", message);

/** What `hnsw` means with FAISS: f32 as it is, bf16 as 16-bit floats, i8 as 8-bit scalars. */
const hnswStorage = { f32: "Flat", bf16: "SQfp16", i8: "SQ8", b1: "" } as const;

/** What stands behind the type. Throws `bad_request` naming the types, or a quantization that does not suit the metric. */
export function planIndex(spec: EngineSpec, hnswEngine: "usearch" | "faiss"): IndexPlan {
  const { type, dimension, memory = "all" } = spec;
  if (memory !== "all" && (type === "flat" || (memory === "codes" && type !== "hnsw")))
    throw refuse(
      `memory ${memory} does not suit type '${type}': flat compares all vectors in memory, and codes stand in for the graph of hnsw`,
    );
  if (type === "flat") return { engine: "exact" };
  if (memory === "codes") {
    refuseMetric("memory codes keeps", spec);
    return { engine: "codes" };
  }
  if (type === "hnsw" && hnswEngine === "usearch") {
    refuseQuantization(spec);
    return { engine: "usearch" };
  }
  if (type === "hnsw" && spec.quantization === "b1")
    throw refuse("FAISS keeps no graph over single bits: quantization b1 is for hnsw_engine usearch");
  if (type === "hnsw")
    return planFactory(`HNSW${spec.connectivity},${hnswStorage[spec.quantization]}`, dimension);
  const ivf = { engine: "faiss", factory: "", lists: listsMin } as const;
  if (type === "ivf_flat") return { ...ivf, family: type, trainFrom: 0 };
  if (type === "ivf_pq") return { ...ivf, family: type, trainFrom: codeRows };
  return planFactory(type, dimension);
}

/** usearch scales each vector to length 1 before it rounds to i8, which keeps directions alone; so do signs. */
function refuseQuantization(spec: Pick<EngineSpec, "quantization" | "metric">): void {
  const { quantization } = spec;
  if (quantization === "i8" || quantization === "b1")
    refuseMetric(`quantization ${quantization} keeps`, spec);
}

function refuseMetric(what: string, { metric }: Pick<EngineSpec, "metric">): void {
  if (metric !== "cosine")
    throw refuse(`${what} directions alone, which metric ${metric} is not about: use bf16 or f32`);
}

function planFactory(factory: string, dimension: number): FaissPlan {
  const parts = factory.split(",");
  const turned = transform.test(parts[0] ?? "") ? trainTransform(parts.shift() ?? "", dimension) : 0;
  const [, lists, quantizerLinks] = (parts.length === 2 && coarse.exec(parts[0] ?? "")) || [];
  const rest = (lists === undefined ? parts : parts.slice(1)).join(",");
  const [, links, stored = "Flat"] = graph.exec(rest) ?? [];
  const [, storage = stored] = code.exec(rest) ?? [];
  if ((lists !== undefined || links === undefined) && !code.test(rest)) {
    throw refuse(`type '${factory}' is not known: expected ${expected}`);
  }
  for (const given of [links, quantizerLinks]) checkLinks(given);
  const trainFrom = Math.max(
    turned,
    storage.startsWith("PQ") ? codeRows : /^SQ\d/.test(storage) ? rangeRows : 0,
  );
  const plan: FaissPlan = {
    engine: "faiss",
    family: "factory",
    factory,
    lists: Number(lists ?? 0),
    trainFrom,
  };
  const listsMax = Math.floor(trainingNumbersMax / dimension / rowsPerList);
  if (lists !== undefined && (plan.lists < 1 || plan.lists > listsMax)) {
    throw refuse(
      `type '${factory}' has ${plan.lists} lists: expected 1 to ${listsMax} at dimension ${dimension}`,
    );
  }
  return plan;
}

/** Rows needed to train a transform. FAISS checks its numbers only when it is too late to refuse them. */
function trainTransform(text: string, dimension: number): number {
  const [, name = "", first, second] = transform.exec(text) ?? [];
  const isOpq = name === "OPQ";
  const out = Number((isOpq ? second : first) ?? dimension);
  if (
    out < 1 ||
    out > dimension ||
    (!isOpq && second !== undefined) ||
    (name === "L2norm" && text !== name)
  ) {
    throw refuse(
      `'${text}' cannot begin a type: expected L2norm, PCAn, PCARn, RRn, OPQm or OPQm_n, n at most ${dimension}`,
    );
  }
  const codes = Number(isOpq ? first : 1);
  if (codes < 1 || out % codes !== 0) {
    throw refuse(`'${text}' cuts ${out} dimensions into ${codes} parts: expected parts of one size`);
  }
  return name === "L2norm" || name === "RR" ? 0 : codeRows;
}

function checkLinks(text: string | undefined): void {
  if (text !== undefined && (Number(text) < 2 || Number(text) > connectivityMax)) {
    throw refuse(`HNSW${text} has ${text} links a node: expected 2 to ${connectivityMax}`);
  }
}

/** How many rows there must be before FAISS can train it; 0 where it needs no training. */
export const trainingRows = ({ lists, trainFrom }: Pick<FaissPlan, "lists" | "trainFrom">): number =>
  Math.max(lists * rowsPerList, trainFrom);

/** Lists that a search of an IVF index looks into. */
export const probesFor = ({ ef_search }: Pick<EngineSpec, "ef_search">): number => Math.ceil(ef_search / 2);

/** Of a type with inverted lists: those a search looks into at most, and the rows that training waits for. */
export function invertedLists(spec: EngineSpec): { nprobe: number; train_from: number } | undefined {
  if (!/ivf/i.test(spec.type)) return undefined;
  const plan = planIndex(spec, "usearch");
  if (plan.engine !== "faiss" || plan.lists === 0) return undefined;
  const most = plan.family === "factory" ? plan.lists : Number.POSITIVE_INFINITY;
  return { nprobe: Math.min(probesFor(spec), most), train_from: trainingRows(plan) };
}

/** The lists of an `ivf_…` over so many rows: 4 √rows as FAISS advises, a power of two that the rows suffice for. */
function listsFor(rows: number, dimension: number): number {
  const most = Math.min(rows, trainingNumbersMax / dimension) / rowsPerList;
  return 2 ** Math.floor(Math.log2(Math.max(1, Math.min(most, 4 * Math.sqrt(rows)))));
}

/** The factory string that FAISS gets, once there are so many rows to train it. */
export function factoryFor(plan: FaissPlan, rows: number, dimension: number): string {
  // Codes that are not trained for polysemous search, which this binding cannot ask for: 20 times as quick.
  if (plan.family === "factory") return plan.factory.replace(/(^|,)(PQ\d+)$/, "$1$2np");
  const lists = listsFor(Math.max(rows, trainingRows(plan)), dimension);
  if (plan.family === "ivf_flat") return `IVF${lists},Flat`;
  return `IVF${Math.min(lists, pqListsMax)},PQ${codesOf(dimension)}np`;
}

/** Bytes of a product code: one for 16 dimensions, or as near to that as the dimension divides. */
function codesOf(dimension: number): number {
  for (let codes = Math.ceil(dimension / 16); codes > 1; codes--) if (dimension % codes === 0) return codes;
  return 1;
}
