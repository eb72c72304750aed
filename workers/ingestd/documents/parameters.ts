/** What a request about documents says, checked before its body is read. */
import type { InputOf } from "../../../runtime/contract/contract.ts";
import { fail, invalidField } from "../../../runtime/errors/errors.ts";
import type { ingestd } from "../contract.ts";
import type { Division } from "../extraction/extraction.ts";
import type { IngestDeps } from "../jobs/jobs.ts";
import { documentIdMax } from "../schemas/schemas.ts";

export type DocumentsInput = InputOf<(typeof ingestd.endpoints)["loadDocuments"]>;

/** Levels of a caller's metadata: filters name each. */
const metadataDepthMax = 16;

/** Throws `invalid_field`. */
export function divisionOf(
  { chunk_size, chunk_overlap }: DocumentsInput,
  { config }: Pick<IngestDeps, "config">,
): Division {
  const size = chunk_size ?? config.ingestd.chunk_size;
  const overlap = chunk_overlap ?? Math.min(config.ingestd.chunk_overlap, Math.floor(size / 2));
  if (overlap > size / 2)
    throw invalidField("chunk_overlap", `at most half of chunk_size, which is ${size}; got ${overlap}`);
  return { size, overlap };
}

/** The caller's metadata as JSON. Throws `invalid_field`. */
export function metadataOf({ metadata = "{}" }: DocumentsInput): string {
  const expected = 'expected a JSON object, as {"team":"north"}';
  let value: unknown;
  try {
    value = JSON.parse(metadata);
  } catch {
    throw invalidField("metadata", `${expected}, got '${metadata.slice(0, 100)}'`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw invalidField("metadata", expected);
  if (depthOf(value) > metadataDepthMax)
    throw invalidField("metadata", `nested at most ${metadataDepthMax} levels deep`);
  // As it was written: numbers keep their digits.
  return metadata;
}

const depthOf = (value: unknown): number =>
  typeof value === "object" && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depthOf)) : 0;

/** A file's name as the id of its document, in NFC: macOS takes letters apart, and would make another document. Throws `invalid_field`. */
export function documentIdOf(name: string): string {
  const id = name
    .normalize("NFC")
    .replaceAll("\\", "/")
    .split("/")
    .filter((part) => part !== "" && part !== ".")
    .join("/");
  return checkedId(id, "file");
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused.
const unprintable = /[\u0000-\u001f\u007f]/;

export function checkedId(id: string, field: string): string {
  const shown = JSON.stringify(id.slice(0, 100));
  if (id === "" || id.length > documentIdMax || unprintable.test(id) || !id.isWellFormed())
    throw invalidField(
      field,
      `expected a name of 1 to ${documentIdMax} characters without control characters, got ${shown}`,
    );
  if (id.split("/").includes("..")) throw invalidField(field, `expected a name without '..', got ${shown}`);
  return id;
}

/** Throws `unprocessable` where an id is given to several files. */
export function checkSingle({ id }: DocumentsInput, files: number): void {
  if (id !== undefined && files !== 1)
    throw fail(
      "unprocessable",
      `id: expected one file with it, got ${files}; leave it out, and each has its name`,
    );
}
