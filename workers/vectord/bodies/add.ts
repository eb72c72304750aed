/** The body of `add`: JSON, or an Arrow IPC stream. */

import type { Static } from "@sinclair/typebox";
import { readBytes, readJson } from "../../../runtime/bodies/bodies.ts";
import type { Config } from "../../../runtime/config/config.ts";
import type { HttpRequest } from "../../../runtime/contract/contract.ts";
import { fail, invalidField } from "../../../runtime/errors/errors.ts";
import { AddBody, type IndexConfig } from "../schemas/schemas.ts";
import { arrowTypes } from "./binary.ts";
import { checkModel, type Items, nameOfItem, withText } from "./items.ts";
import { withVectors } from "./named-vectors.ts";
import { type NameOf, packVectors } from "./vectors.ts";

const arrowFileType = /^application\/vnd\.apache\.arrow\.file\s*(;|$)/i;

/** Vectors of texts, row by row; errors name a text by its place. */
export type Embed = (texts: readonly string[], nameOf: NameOf) => Promise<Float32Array>;

/** Reads the whole body within the bound; what the items are is not yet checked, but for their dimension. */
export async function readAdd(
  request: HttpRequest,
  config: IndexConfig,
  settings: Config["vectord"],
  embed: Embed,
): Promise<Items> {
  const type = request.headers.get("content-type") ?? "";
  if (arrowFileType.test(type))
    throw fail(
      "unsupported_media_type",
      "expected the Arrow IPC stream format, application/vnd.apache.arrow.stream, not the file format",
    );
  if (arrowTypes.test(type)) {
    // Its package is most of what a start of vectord would have to load.
    const { arrowItems } = await import("./arrow-items.ts");
    return arrowItems(await readBytes(request, settings.max_body_bytes), config, settings.max_batch_items);
  }
  if (type !== "" && !/json|x-www-form-urlencoded/i.test(type))
    throw fail(
      "unsupported_media_type",
      `expected Content-Type: application/json or application/vnd.apache.arrow.stream, got ${type.slice(0, 100)}`,
    );
  const body = await readJson(request, AddBody, settings.max_body_bytes);
  if (body.items.length > settings.max_batch_items)
    throw fail(
      "too_large",
      `expected at most ${settings.max_batch_items} items in a request, got ${body.items.length}`,
    );
  return itemsOf(body, config, embed);
}

/** Items whose vectors are given or made of their texts, which are kept. */
async function itemsOf(
  { items, embedding_model }: Static<typeof AddBody>,
  config: IndexConfig,
  embed: Embed,
): Promise<Items> {
  const ids = items.map(({ id }) => id);
  const nameOf: NameOf = (at) => nameOfItem(ids, at);
  for (const [at, { vector, text }] of items.entries())
    if (vector === undefined && text === undefined)
      throw invalidField(`items.${at}.vector`, `${nameOf(at)}: expected a vector, or a text to be embedded`);
  const made = { texts: [] as string[], of: [] as number[] };
  for (const [at, { vector, text }] of items.entries())
    if (vector === undefined && text !== undefined) {
      made.texts.push(text);
      made.of.push(at);
    }
  const lists = items.flatMap(({ vector }) => (vector ? [vector] : []));
  const places = [...items.keys()].filter((at) => items[at]?.vector !== undefined);
  const given = packVectors(lists, config, (at) => nameOf(places[at] ?? at));
  const metadata = items.map((item, at) =>
    withVectors(withText(item.metadata, item.text, nameOf(at)), item.vectors, config, nameOf(at)),
  );
  const rest = { ids, metadata, ...(embedding_model !== undefined && { embeddingModel: embedding_model }) };
  if (made.texts.length === 0) return { ...rest, vectors: given };
  checkModel(embedding_model, config);
  const embedded = await embed(made.texts, (at) => nameOf(made.of[at] ?? at));
  const vectors = new Float32Array(items.length * config.dimension);
  const place = (rows: Float32Array, of: readonly number[]) => {
    for (const [at, row] of of.entries())
      vectors.set(rows.subarray(at * config.dimension, (at + 1) * config.dimension), row * config.dimension);
  };
  place(given, places);
  place(embedded, made.of);
  return { ...rest, vectors, given };
}
