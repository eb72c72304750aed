/** multipart/form-data (RFC 7578) as a stream: the one field `file` that a form must have. */
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { Busboy, type BusboyInstance } from "@fastify/busboy";
import { fail, ServiceError } from "../../../runtime/errors/errors.ts";
import type { Chunks } from "./decompress.ts";

export interface FormFile {
  chunks: AsyncGenerator<Uint8Array>;
  filename: string | undefined;
  contentType: string;
}

/** Headers of one part, in bytes; browsers and curl send a few hundred. */
const headerBytesMax = 16 * 1024;
/** High-water mark of the parser and of the file's stream, in bytes: a megabyte costs more processor time (ADR 0156). */
const bufferedBytes = 128 * 1024;

/**
 * The file of a form. Rejects, and its stream does, with `bad_request` when the body is malformed, has no file or two of
 * them, or ends before the closing boundary: a body that was cut off is never taken for a whole one. Any other field is
 * `unknown_field`.
 */
export async function formFile(body: Chunks, mediaType: string): Promise<FormFile> {
  const parser = parserOf(mediaType);
  const found = Promise.withResolvers<FormFile>();
  let file: Readable | undefined;
  let failure: Error | undefined;
  const stop = (cause: Error) => {
    failure ??= cause instanceof ServiceError ? cause : malformed(cause);
    found.reject(failure);
    file?.destroy(failure);
    parser.destroy();
  };
  parser.on(
    "file",
    (
      name: string | undefined,
      part: Readable,
      filename: string | undefined,
      _: string,
      contentType: string,
    ) => {
      // A reader gets the failure from its iterator; without a listener the event would end the process.
      part.on("error", () => undefined);
      if (name !== "file") return stop(otherField(name));
      if (file)
        return stop(fail("bad_request", "the multipart body has two fields 'file'; send one file a request"));
      file = part;
      found.resolve({ chunks: read(part), filename, contentType });
    },
  );
  parser.on("error", stop);
  const parsed = pipeline(body, parser).then(
    () => found.reject(fail("bad_request", "the multipart body has no part; expected a field 'file'")),
    stop,
  );
  async function* read(part: Readable): AsyncGenerator<Uint8Array> {
    try {
      yield* part;
      await parsed;
    } catch (cause) {
      throw failure ?? cause;
    } finally {
      parser.destroy();
      await parsed;
    }
    if (failure) throw failure;
  }
  return found.promise;
}

/**
 * The files of a form, one after the other: each must be read, or given up, before the next comes. Rejects as `formFile`
 * does; a form has one file at least.
 */
export async function* formFiles(body: Chunks, mediaType: string): AsyncGenerator<FormFile> {
  const parser = parserOf(mediaType);
  const arrived: FormFile[] = [];
  let failure: Error | undefined;
  let isOver = false;
  let wake = () => {};
  const stop = (cause: Error) => {
    failure ??= cause instanceof ServiceError ? cause : malformed(cause);
    parser.destroy();
    wake();
  };
  parser.on(
    "file",
    (name: string | undefined, part: Readable, filename: string | undefined, _, contentType) => {
      part.on("error", () => undefined);
      if (name !== "file") return stop(otherField(name));
      arrived.push({ chunks: readPart(part, () => failure), filename, contentType });
      wake();
    },
  );
  parser.on("error", stop);
  const parsed = pipeline(body, parser)
    .catch(stop)
    .finally(() => {
      isOver = true;
      wake();
    });
  let count = 0;
  try {
    for (;;) {
      if (failure) throw failure;
      const next = arrived.shift();
      if (next) {
        count += 1;
        yield next;
      } else if (isOver) break;
      else
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
    }
    if (count === 0) throw fail("bad_request", "the multipart body has no part; expected fields 'file'");
  } finally {
    parser.destroy();
    await parsed;
  }
}

async function* readPart(part: Readable, failure: () => Error | undefined): AsyncGenerator<Uint8Array> {
  try {
    yield* part;
  } catch (cause) {
    throw failure() ?? cause;
  }
  const failed = failure();
  if (failed) throw failed;
}

function parserOf(mediaType: string): BusboyInstance {
  try {
    return new Busboy({
      headers: { "content-type": mediaType },
      preservePath: true,
      isPartAFile: () => true,
      limits: { headerSize: headerBytesMax },
      highWaterMark: bufferedBytes,
      fileHwm: bufferedBytes,
    });
  } catch (cause) {
    throw fail("bad_request", "multipart/form-data without a boundary in Content-Type", { cause });
  }
}

const malformed = (cause: Error) =>
  fail(
    "bad_request",
    `the multipart body is malformed, or ends before its closing boundary: ${cause.message}`,
    { cause },
  );

const otherField = (name = "") =>
  fail(
    "unknown_field",
    `unknown multipart field '${name.slice(0, 100)}'; expected only 'file': parameters belong in the query`,
    { details: { field: name.slice(0, 100) } },
  );
