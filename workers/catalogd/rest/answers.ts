/** Answers of Iceberg's REST catalog, whose JSON keeps ids of 63 bits. */
import type { HttpRequest } from "../../../runtime/contract/contract.ts";
import { exactText, metadataText, sameId, type TableMetadata } from "../iceberg/iceberg.ts";
import type { StorageConfig } from "./storage-config.ts";

const json = (text: string, headers: Record<string, string>): Response =>
  new Response(text, { headers: { "content-type": "application/json", ...headers } });

export const answer = (body: unknown, headers: Record<string, string> = {}): Response =>
  json(exactText(body), headers);

/** A table, whose metadata is most of it. */
export function tableAnswer(
  { metadata, ...rest }: { metadata: TableMetadata; [field: string]: unknown },
  headers: Record<string, string> = {},
): Response {
  const fields = exactText(rest).slice(1, -1);
  return json(`{${fields === "" ? "" : `${fields},`}"metadata":${metadataText(metadata)}}`, headers);
}

export const nothing = (): Response => new Response(null, { status: 204 });

interface Loaded {
  metadata: TableMetadata;
  location: string;
  etag: string;
}

/**
 * A table as clients load it: 304 where they have it already. With `snapshots=refs` it has the snapshots that branches
 * and tags name, and another etag.
 */
export function loaded(
  request: HttpRequest,
  { metadata, location, etag }: Loaded,
  { snapshots, storage }: { snapshots: string | null; storage: StorageConfig },
): Response {
  const isShort = snapshots === "refs";
  const tag = `"${etag}${isShort ? ".refs" : ""}"`;
  const known = request.headers.get("if-none-match")?.split(",") ?? [];
  if (known.some((each) => each.trim().replace(/^W\//, "") === tag))
    return new Response(null, { status: 304, headers: { etag: tag } });
  const shown = isShort ? withRefsOnly(metadata) : metadata;
  return tableAnswer({ "metadata-location": location, metadata: shown, ...storage }, { etag: tag });
}

function withRefsOnly(metadata: TableMetadata): TableMetadata {
  const named = Object.values(metadata.refs);
  const snapshots = metadata.snapshots.filter((snapshot) =>
    named.some((ref) => sameId(ref["snapshot-id"], snapshot["snapshot-id"])),
  );
  return { ...metadata, snapshots };
}

/** Items on a page; all of them where the client asks for no pages. */
export function pageOf<T>(
  all: readonly T[],
  query: URLSearchParams,
  keyOf: (item: T) => string,
): { items: readonly T[]; next: string | null } {
  const size = Number(query.get("pageSize") ?? 0);
  if (!query.has("pageToken") || !Number.isInteger(size) || size <= 0) return { items: all, next: null };
  const after = query.get("pageToken") ?? "";
  const rest = all.filter((item) => after === "" || keyOf(item) > after);
  const items = rest.slice(0, size);
  const last = items.at(-1);
  return { items, next: items.length < rest.length && last !== undefined ? keyOf(last) : null };
}
