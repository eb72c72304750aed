/** What a request brings, or says the place of, stored as the rows of one dataset. */
import type { HttpRequest } from "../../../runtime/contract/contract.ts";
import { invalidField } from "../../../runtime/errors/errors.ts";
import type { IngestDeps, IngestParts, Task } from "../jobs/jobs.ts";
import { fetchFile, openUploads } from "../receiving/receiving.ts";
import { storeFiles } from "../sources/sources.ts";
import type { Stored } from "../tables/tables.ts";

/** The file that the request says the place of, where it does. */
export async function fetchedFile(
  url: string | undefined,
  request: HttpRequest,
  { config, clock, peers, signal }: Pick<IngestDeps, "config" | "clock" | "peers"> & { signal: AbortSignal },
): Promise<Awaited<ReturnType<typeof fetchFile>> | undefined> {
  if (url === undefined) return undefined;
  await refuseBody(request, "url");
  const { url_hosts: hosts, idle_timeout_ms: headTimeoutMs } = config.ingestd;
  return fetchFile(url, { hosts, storaged: peers.storaged, clock, headTimeoutMs, signal });
}

/** Throws where a request has a body beside the field that says where its rows are. */
export async function refuseBody({ body }: HttpRequest, field: "url" | "source"): Promise<void> {
  for await (const piece of body ?? [])
    if (piece.length > 0)
      throw invalidField(field, "no meaning with a body: send the file, or say where it is");
}

/** A request that brings files. */
export interface Body {
  request: HttpRequest;
  filename: string | undefined;
  /** Given the bytes of the files as they were sent. */
  onFile?: (bytes: Uint8Array) => void;
}

export interface StoredBody {
  stored: Stored;
  /** Of the only file. */
  filename: string | undefined;
  /** What a caller should know of how the rows were found. */
  warnings: readonly string[];
  files: readonly string[];
}

/** Stores the files that the request brings, as the rows of one dataset. */
export async function storeBody(
  { input, fileContext, job, deadline }: Task,
  { deps: { config, clock }, extraction }: IngestParts,
  { request, filename: called, onFile }: Body,
): Promise<StoredBody> {
  const bytesMax = config.ingestd.max_ingest_bytes;
  const uploads = openUploads(request, {
    bytesMax,
    idleTimeoutMs: config.ingestd.idle_timeout_ms,
    signal: job.signal,
    clock,
    onBytes: job.received,
    deadline,
    ...(onFile && { onFile }),
    ...(called !== undefined && { filename: called }),
  });
  const place = { asked: input, context: fileContext, extraction, bytesMax, deadline };
  const { stored, filename, files, warnings } = await storeFiles(uploads, place);
  deadline.phase("reading the file");
  return { stored, filename, files, warnings };
}
