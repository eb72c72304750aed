/** A whole version as Parquet, where that is one file of ingestd's: its own bytes, and spans of them. */
import type { Static } from "@sinclair/typebox";
import type { HttpRequest, Peer } from "../../../runtime/contract/contract.ts";
import { fail } from "../../../runtime/errors/errors.ts";
import type { Manifest } from "../../catalogd/contract.ts";
import type { Storaged } from "../../storaged/contract.ts";
import { formatsByName } from "./dataset.ts";

type Version = Static<typeof Manifest>;
type StoredObject = Version["objects"][number];

/** The one object whose file is what is asked for; undefined where an answer has to be made. */
export function storedFile(
  { objects, made_by, schema_id = 0, metadata_location }: Version,
  format: string,
  question: object,
): StoredObject | undefined {
  const [object, ...others] = objects;
  if (format !== "parquet" || Object.keys(question).length > 0 || !object || others.length > 0)
    return undefined;
  // What others registered may have more columns than they said, and an older file has those of its time.
  const isOurs = /^(ingestd|compaction)$/.test(made_by) && metadata_location === undefined;
  return isOurs && (object.schema_id ?? 0) === schema_id ? object : undefined;
}

/** The file, or the span of it that is asked for: its bytes stay the same for as long as the etag does. */
export async function sendStored(
  storaged: Pick<Peer<Storaged>, "fetch">,
  { key, etag: ofBytes }: StoredObject,
  { etag, request, signal }: { etag: string; request: HttpRequest; signal: AbortSignal },
): Promise<Response> {
  const ifRange = request.headers.get("if-range");
  const range = ifRange === null || ifRange === etag ? request.headers.get("range") : null;
  const [, bucket, name = key] = /^([^/]+):\/\/(.+)$/.exec(key) ?? [];
  const path = name.split("/").map(encodeURIComponent).join("/");
  const response = await storaged.fetch(`/storage/get/${path}${bucket ? `?bucket=${bucket}` : ""}`, {
    method: request.method,
    headers: { "if-match": `"${ofBytes}"`, ...(range !== null && { range }) },
    signal,
  });
  if (response.status === 412 || response.status === 404)
    throw fail("corrupt", `object '${key}' is not the one that its version names`);
  const headers = new Headers({ "content-type": formatsByName.parquet, "cache-control": "no-cache", etag });
  for (const each of ["content-length", "content-range", "accept-ranges"]) {
    const value = response.headers.get(each);
    if (value !== null) headers.set(each, value);
  }
  if (response.ok) return new Response(response.body, { status: response.status, headers });
  return new Response(response.body, { status: response.status, headers: response.headers });
}
