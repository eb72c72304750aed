/** Vectors beside the main one as they come and go: checked against what their index declares. */
import { fail, invalidField, type ServiceError } from "../../../runtime/errors/errors.ts";
import { keptIn, type Metadata, mainName, pack, type Unpacked, unpack, vectorsField } from "../rows/rows.ts";
import type { IndexConfig, NamedShape, NamedVector, Sparse } from "../schemas/schemas.ts";
import { checkVectors, packVectors } from "./vectors.ts";

type Given = Readonly<Record<string, NamedVector | null>>;
const nameForm = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/;
/** Throws `invalid_field` for a name that none can have. */
export function checkShapes(shapes: IndexConfig["vectors"]): void {
  const bad = Object.keys(shapes ?? {}).find((name) => !nameForm.test(name) || name === mainName);
  if (bad !== undefined)
    throw invalidField(
      "vectors",
      `expected names of a letter and up to 63 letters, digits, '_' and '-', other than '${mainName}', got '${bad.slice(0, 100)}'`,
    );
}

/** Checks one vector against its shape. Throws `bad_request` naming it. */
export function unpackedOf(name: string, given: NamedVector, config: IndexConfig, place: string): Unpacked {
  const shape = shapeOf(name, config, place);
  if ("sparse" in shape) {
    if (Array.isArray(given)) throw wrong(place, "a sparse vector, {indices, values}", "a list of numbers");
    return sparseOf(given, place);
  }
  if (!Array.isArray(given)) throw wrong(place, `${shape.dimension} numbers`, "a sparse vector");
  const of = { name: config.name, dimension: shape.dimension, metric: shape.metric ?? "cosine" };
  const dense = packVectors([given], of, () => place);
  checkVectors(dense, of, () => place);
  return { dense };
}

function shapeOf(name: string, { name: index, vectors = {} }: IndexConfig, place: string): NamedShape {
  const shape = Object.hasOwn(vectors, name) ? vectors[name] : undefined;
  if (shape) return shape;
  const known = Object.keys(vectors).join(", ") || "none";
  throw fail(
    "bad_request",
    `${place}: index '${index}' has no vector named '${name.slice(0, 100)}'; it declares ${known}`,
  );
}

const wrong = (place: string, expected: string, got: string): ServiceError =>
  fail("bad_request", `${place}: expected ${expected}, got ${got}`);

function sparseOf({ indices, values }: Sparse, place: string): Unpacked {
  if (indices.length !== values.length)
    throw wrong(place, "as many values as indices", `${indices.length} indices and ${values.length} values`);
  const order = [...indices.keys()].sort((a, b) => (indices[a] ?? 0) - (indices[b] ?? 0));
  const sorted = Uint32Array.from(order, (at) => indices[at] ?? 0);
  const twice = sorted.find((index, at) => at > 0 && index === sorted[at - 1]);
  if (twice !== undefined) throw wrong(place, "each index once", `${twice} twice`);
  const numbers = Float32Array.from(order, (at) => values[at] ?? 0);
  if (numbers.some((value) => !Number.isFinite(value)))
    throw wrong(place, "finite values within the range of 32-bit floats", "one that is not");
  return { indices: sorted, values: numbers };
}

/** The row's metadata with these vectors; null takes one away, and those that are not named stay. */
export function withVectors(
  metadata: Metadata | undefined,
  given: Given | undefined,
  config: IndexConfig,
  place: string,
): Metadata | undefined {
  if (given === undefined) return metadata;
  const kept: Record<string, string> = { ...keptIn(metadata) };
  for (const [name, vector] of Object.entries(given)) {
    const at = `${place}: vectors.${name.slice(0, 100)}`;
    if (vector === null) {
      shapeOf(name, config, at);
      delete kept[name];
    } else kept[name] = pack(unpackedOf(name, vector, config, at));
  }
  const { [vectorsField]: _, ...rest } = metadata ?? {};
  if (Object.keys(kept).length > 0) return { ...rest, [vectorsField]: kept };
  return metadata === undefined ? undefined : rest;
}

/** As callers see them. */
export function shownVectors(
  metadata: Metadata | undefined,
  { vectors = {} }: IndexConfig,
): Record<string, NamedVector> | undefined {
  const shown = Object.entries(keptIn(metadata)).flatMap(([name, text]) => {
    const shape = vectors[name];
    if (!shape) return [];
    const vector = unpack(text, shape);
    const seen: NamedVector =
      "dense" in vector
        ? Array.from(vector.dense)
        : { indices: Array.from(vector.indices), values: Array.from(vector.values) };
    return [[name, seen] as const];
  });
  return shown.length > 0 ? Object.fromEntries(shown) : undefined;
}
