/** Nothing a provider says is believed before it was counted and measured. */
import { fail, type ServiceError } from "../../../runtime/errors/errors.ts";

export interface Expected {
  /** The model's id, as `ollama/nomic-embed-text`. */
  model: string;
  count: number;
  /** The dimension of earlier vectors of the model, or the requested one. */
  dimension?: number | undefined;
}

/** Longest vector that is taken, as the largest `dimension` of an index. */
const dimensionMax = 65_536;

/**
 * The vectors of an answer, one a text, all finite and equally long. Throws `bad_gateway` naming model and fault;
 * a wrong count, length or number means that vectors cannot be matched to texts, so none is used.
 */
export function checkAnswer(vectors: unknown, { model, count, dimension }: Expected): Float32Array[] {
  if (!Array.isArray(vectors)) throw broken(model, "answered no list of vectors");
  if (vectors.length !== count) throw broken(model, `answered ${vectors.length} vectors for ${count} texts`);
  const wanted = dimension ?? lengthOf(vectors[0]);
  return vectors.map((vector, at) => checkVector(vector, { model, at, wanted }));
}

const lengthOf = (vector: unknown): number =>
  Array.isArray(vector) || vector instanceof Float32Array ? vector.length : 0;

function checkVector(
  vector: unknown,
  { model, at, wanted }: { model: string; at: number; wanted: number },
): Float32Array {
  const isList = Array.isArray(vector);
  if (!isList && !(vector instanceof Float32Array)) throw broken(model, `answered no vector at ${at}`);
  if (vector.length === 0 || vector.length > dimensionMax)
    throw broken(model, `answered a vector of ${vector.length} numbers; expected 1 to ${dimensionMax}`);
  if (vector.length !== wanted)
    throw broken(model, `answered a vector of ${vector.length} numbers where others have ${wanted}`);
  if (isList && !vector.every((value) => typeof value === "number"))
    throw broken(model, `answered something else than numbers in vector ${at}`);
  const checked = isList ? Float32Array.from(vector as number[]) : vector;
  // Also what a double holds and a float does not.
  if (!allFinite(checked)) throw broken(model, `answered NaN or an infinity in vector ${at}`);
  return checked;
}

/** A loop, not `every`: this is the longest part of the check. */
function allFinite(vector: Float32Array): boolean {
  for (let at = 0; at < vector.length; at++) if (!Number.isFinite(vector[at])) return false;
  return true;
}

const broken = (model: string, what: string): ServiceError =>
  fail("bad_gateway", `model '${model}' ${what}: nothing of the answer was used`, { details: { model } });
