/** What is checked of items before any of them is added. */
import type { Config } from "../../../runtime/config/config.ts";
import { fail } from "../../../runtime/errors/errors.ts";
import { recordedModel } from "../../../runtime/models/models.ts";
import { type Metadata, textField, type Upserts, vectorsField } from "../rows/rows.ts";
import type { IndexConfig } from "../schemas/schemas.ts";
import { checkVectors } from "./vectors.ts";

/** Items of one request as they came, whatever the body. */
export interface Items extends Upserts {
  embeddingModel?: string;
  /** The numbers that the caller gave; the others are made of texts. All of them where absent. */
  given?: Float32Array;
}

type Limits = Pick<Config["vectord"], "max_metadata_bytes" | "max_batch_items">;

/** Deepest nesting of metadata. */
const depthMax = 32;
const idCharactersMax = 512;

/** Throws `bad_request`, `too_large` or `conflict` for the first item that cannot be added. */
export function checkItems(items: Items, config: IndexConfig, limits: Limits): void {
  const { ids, vectors, metadata, embeddingModel } = items;
  if (ids.length === 0) throw fail("bad_request", "expected at least one item, got none");
  if (ids.length > limits.max_batch_items)
    throw fail(
      "too_large",
      `expected at most ${limits.max_batch_items} items in a request, got ${ids.length}`,
    );
  checkModel(embeddingModel, config);
  if (metadata.length !== ids.length)
    throw fail(
      "bad_request",
      `expected ${ids.length} entries of metadata, one an id, got ${metadata.length}`,
    );
  if (vectors.length !== ids.length * config.dimension)
    throw fail(
      "bad_request",
      `expected ${ids.length} vectors of dimension ${config.dimension}, one an id, got ${vectors.length} numbers`,
    );
  checkIds(ids);
  checkVectors(vectors, config, (at) => nameOfItem(ids, at));
  for (const [at, fields] of metadata.entries())
    if (fields !== undefined) checkMetadata(fields, limits.max_metadata_bytes, nameOfItem(ids, at));
}

/** Throws `conflict` naming both models; an index that names none takes any. */
export function checkModel(
  given: string | undefined,
  { name, dimension, embedding_model: own }: IndexConfig,
): void {
  if (given === undefined || own === undefined || given === own) return;
  if (recordedModel(given, dimension) === recordedModel(own, dimension)) return;
  throw fail(
    "conflict",
    `index '${name}' holds vectors of the embedding model '${own}', and these are of '${given}'`,
    { details: { expected: own, got: given } },
  );
}

/** `item 3 ('a')`. */
export const nameOfItem = (ids: readonly string[], at: number): string =>
  `item ${at} ('${(ids[at] ?? "").slice(0, 100)}')`;

function checkIds(ids: readonly string[]): void {
  const seen = new Map<string, number>();
  for (const [at, id] of ids.entries()) {
    if (id.length === 0 || id.length > idCharactersMax)
      throw fail(
        "bad_request",
        `item ${at}: expected an id of 1 to ${idCharactersMax} characters, got ${id.length}`,
      );
    if (!id.isWellFormed())
      throw fail("bad_request", `item ${at}: the id is not valid Unicode: half a surrogate pair`);
    if (id === "." || id === "..")
      throw fail(
        "bad_request",
        `item ${at}: '${id}' cannot be an id: no URL can name it, so it could not be read back; give it another`,
      );
    const first = seen.get(id);
    if (first !== undefined)
      throw fail(
        "bad_request",
        `${nameOfItem(ids, at)}: duplicate id, also of item ${first}; give each id once in a request`,
      );
    seen.set(id, at);
  }
}

/** Fields of a row's metadata that hold what is no metadata. */
const ownFields = [
  [textField, "the item's text; give it as 'text'"],
  [vectorsField, "the item's named vectors; give them as 'vectors'"],
] as const;

/** A row's metadata with its text, which is kept there. Throws `bad_request` for metadata that has the field itself. */
export function withText(
  metadata: Metadata | undefined,
  text: string | undefined,
  name: string,
): Metadata | undefined {
  for (const [field, what] of ownFields)
    if (metadata !== undefined && Object.hasOwn(metadata, field))
      throw fail("bad_request", `${name}: the metadata field '${field}' is kept for ${what}`);
  return text === undefined ? metadata : { ...metadata, [textField]: text };
}

function checkMetadata(metadata: Metadata, bytesMax: number, name: string): void {
  if (isDeeper(metadata, depthMax))
    throw fail("bad_request", `${name}: metadata is nested deeper than ${depthMax}`);
  const { [vectorsField]: _, ...counted } = metadata;
  const bytes = Buffer.byteLength(JSON.stringify(counted));
  if (bytes > bytesMax)
    throw fail(
      "bad_request",
      `${name}: metadata${Object.hasOwn(metadata, textField) ? " and text have" : " has"} ${bytes} bytes as JSON; at most ${bytesMax} are allowed`,
    );
}

const isDeeper = (value: unknown, levels: number): boolean => {
  if (typeof value !== "object" || value === null) return false;
  return levels === 0 || Object.values(value).some((inner) => isDeeper(inner, levels - 1));
};
