/** The body of `add`: JSON, or an Arrow IPC stream. */

import { readBytes, readJson } from "../../../runtime/bodies/bodies.ts";
import type { Config } from "../../../runtime/config/config.ts";
import type { HttpRequest } from "../../../runtime/contract/contract.ts";
import { fail } from "../../../runtime/errors/errors.ts";
import { AddBody, type IndexConfig } from "../contract.ts";
import { type Items, nameOfItem } from "./items.ts";
import { packVectors } from "./vectors.ts";

const arrowTypes = /^application\/(vnd\.apache\.arrow\.stream|x-apache-arrow-stream)\s*(;|$)/i;
const arrowFileType = /^application\/vnd\.apache\.arrow\.file\s*(;|$)/i;

/** Reads the whole body within the bound; what the items are is not yet checked, but for their dimension. */
export async function readAdd(
  request: HttpRequest,
  config: IndexConfig,
  settings: Config["vectord"],
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
  const { items, embedding_model } = await readJson(request, AddBody, settings.max_body_bytes);
  if (items.length > settings.max_batch_items)
    throw fail(
      "too_large",
      `expected at most ${settings.max_batch_items} items in a request, got ${items.length}`,
    );
  const ids = items.map(({ id }) => id);
  const vectors = packVectors(
    items.map(({ vector }) => vector),
    config,
    (at) => nameOfItem(ids, at),
  );
  const metadata = items.map((item) => item.metadata);
  return {
    ids,
    vectors,
    metadata,
    ...(embedding_model !== undefined && { embeddingModel: embedding_model }),
  };
}
