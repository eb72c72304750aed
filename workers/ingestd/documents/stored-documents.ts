/** Documents that are there: listed, read and deleted. The rows of their corpus say what there is. */
import { jsonResponse } from "../../../runtime/bodies/bodies.ts";
import type { CallContext, InputOf, RawContext, ReplyOf } from "../../../runtime/contract/contract.ts";
import { fail, peerError } from "../../../runtime/errors/errors.ts";
import { pageToken, readPageToken } from "../../../runtime/pages/pages.ts";
import { quoteName, quoteText } from "../../../runtime/sql/sql.ts";
import { askRows, changeRows, deletion } from "../changes/changes.ts";
import type { Ingestd } from "../contract.ts";
import type { Document } from "../schemas/schemas.ts";
import { originalKey } from "./inspection.ts";
import type { DocumentParts } from "./loading-documents.ts";
import { checkColumns } from "./rows.ts";

type Listed = ReplyOf<Ingestd["endpoints"]["documents"]>;
type Deleted = ReplyOf<Ingestd["endpoints"]["deleteDocument"]>;
type Asking = Pick<CallContext, "requestId" | "signal">;

const pageSizeDefault = 100;
const facts = ["file", "media_type", "bytes", "sha256", "title", "author", "date", "metadata", "added_at"];

/** Throws `not_found` where there is no such corpus, `conflict` where it is none of documents. */
async function documentsOf(
  corpus: string,
  which: string,
  { deps }: DocumentParts["parts"],
  { requestId, signal }: Asking,
): Promise<Document[]> {
  checkColumns(await deps.peers.catalogd.verbs.manifest({ name: corpus }, { requestId }));
  const described = facts.map((name) => `any_value(${name}) AS ${name}`).join(", ");
  const sql = `SELECT document, ${described}, count(*) AS chunks, max(char_end) AS characters FROM ${quoteName(corpus)} ${which}`;
  const rows = await askRows({ deps, requestId, signal }, sql);
  return rows.map((row) => ({
    ...(row as unknown as Document),
    bytes: Number(row.bytes),
    chunks: Number(row.chunks),
    characters: Number(row.characters),
    metadata: JSON.parse(String(row.metadata ?? "{}")),
  }));
}

export async function listDocuments(
  {
    corpus,
    page_size: size = pageSizeDefault,
    page_token: token,
  }: InputOf<Ingestd["endpoints"]["documents"]>,
  { parts }: DocumentParts,
  asking: Asking,
): Promise<Listed> {
  const [after] = token === undefined ? [] : readPageToken(token, /^after:(.+)$/s);
  const from = after === undefined ? "" : `WHERE document > ${quoteText(after)} `;
  const which = `${from}GROUP BY document ORDER BY document LIMIT ${size + 1}`;
  const found = await documentsOf(corpus, which, parts, asking);
  const documents = found.slice(0, size);
  const last = documents.at(-1);
  return {
    corpus,
    documents,
    ...(found.length > size && last && { next_page_token: pageToken(`after:${last.document}`) }),
  };
}

/** Answers GET /documents/{id}. */
export async function readDocument(
  { id, corpus, as = "original" }: InputOf<Ingestd["endpoints"]["document"]>,
  context: RawContext,
  given: DocumentParts,
): Promise<Response> {
  const { parts } = given;
  const which = `WHERE ${isDocument(id)} GROUP BY document`;
  const [document] = await documentsOf(corpus, which, parts, context);
  if (!document) throw noDocument(id, corpus);
  if (as === "json") return jsonResponse(document);
  if (as === "original") return originalOf(corpus, document, context, given);
  const sql = `SELECT char_start, text FROM ${quoteName(corpus)} WHERE document = ${quoteText(document.document)} ORDER BY chunk`;
  const rows = await askRows({ deps: parts.deps, requestId: context.requestId, signal: context.signal }, sql);
  return new Response(textOf(rows), {
    headers: { "content-type": "text/plain; charset=utf-8", ...harmless },
  });
}

/** Chunks cover the text but for the blank line between two blocks; what overlaps is there twice. */
function textOf(rows: readonly Record<string, unknown>[]): string {
  const pieces: string[] = [];
  let place = 0;
  for (const row of rows) {
    const start = Number(row.char_start);
    const characters = [...String(row.text)];
    if (start > place) pieces.push("\n".repeat(start - place));
    pieces.push(characters.slice(Math.max(0, place - start)).join(""));
    place = Math.max(place, start + characters.length);
  }
  return pieces.join("");
}

/** A page of somebody's is never shown as one of ours. */
const harmless = { "x-content-type-options": "nosniff", "content-security-policy": "sandbox" };

async function originalOf(
  corpus: string,
  { document, file, sha256, media_type }: Document,
  { request, requestId, signal }: RawContext,
  { parts: { deps }, lost }: Pick<DocumentParts, "parts" | "lost">,
): Promise<Response> {
  const range = request.headers.get("range");
  const response = await deps.peers.storaged.fetch(`/storage/get/${originalKey(corpus, sha256)}`, {
    headers: { "x-request-id": requestId, ...(range !== null && { range }) },
    signal,
  });
  const problem = lost.note({ corpus, sha256, document }, response);
  if (problem !== undefined) {
    await response.body?.cancel();
    throw fail(
      "corrupt",
      `the original of '${document}' ${problem} in storaged: its text is in the dataset; load it again`,
    );
  }
  if (!response.ok) throw await peerError("storaged", response);
  const passed = ["content-length", "content-range", "accept-ranges", "etag", "last-modified"].flatMap(
    (name) => {
      const value = response.headers.get(name);
      return value === null ? [] : [[name, value]];
    },
  );
  const name = encodeURIComponent(file.split("/").at(-1) ?? file).replace(
    /['()*]/g,
    (each) => `%${each.charCodeAt(0).toString(16)}`,
  );
  return new Response(response.body, {
    status: response.status,
    headers: {
      ...Object.fromEntries(passed),
      ...harmless,
      "content-type": media_type,
      "content-disposition": `attachment; filename*=UTF-8''${name}`,
    },
  });
}

/** Its rows go by one version; its original, when no other document has it, and the corpus's rows follow. */
export async function deleteDocument(
  { id, corpus }: InputOf<Ingestd["endpoints"]["deleteDocument"]>,
  context: CallContext,
  { given, lifetime }: { given: DocumentParts; lifetime: AbortSignal },
): Promise<Deleted> {
  const { parts, originals, index } = given;
  const plan = (base: Parameters<typeof deletion>[0]) => {
    checkColumns(base);
    return deletion(base, isDocument(id));
  };
  const { manifest, rows_matched: chunks = 0 } = await changeRows({ name: corpus }, plan, {
    context,
    parts,
    lifetime,
  });
  if (chunks === 0) throw noDocument(id, corpus);
  originals.dropReplaced(manifest, context.requestId);
  return { document: id, corpus, version: manifest.version, chunks, index: await index.refresh(corpus) };
}

/** By its name as it is asked for, or as names of files are kept. */
const isDocument = (id: string): string =>
  `document IN (${[id, id.normalize("NFC")].map(quoteText).join(", ")})`;

const noDocument = (id: string, corpus: string) =>
  fail(
    "not_found",
    `there is no document '${id}' in '${corpus}'; GET /v1/documents?corpus=${corpus} lists those there are`,
  );
