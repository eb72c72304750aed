/** multipart/form-data (RFC 7578) as a stream: the fields `file` of a form. */
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
 * The files of a form, one after the other: each must be read to its end before the next comes. Rejects, and the files do,
 * with `bad_request` when the body is malformed, has no file, or ends before the closing boundary: a body that was cut off is
 * never taken for a whole one. Any other field is `unknown_field`.
 */
export async function* formFiles(body: Chunks, mediaType: string): AsyncGenerator<FormFile> {
  const parser = parserOf(mediaType);
  const arrived: FormFile[] = [];
  const parts = new Set<Readable>();
  let failure: Error | undefined;
  let isOver = false;
  let wake = () => {};
  const stop = (cause: Error) => {
    failure ??= cause instanceof ServiceError ? cause : malformed(cause);
    // Whoever reads a file would wait for its end.
    for (const part of parts) part.destroy(failure);
    parser.destroy();
    wake();
  };
  parser.on(
    "file",
    (name: string | undefined, part: Readable, filename: string | undefined, _, contentType) => {
      // A reader gets the failure from its iterator; without a listener the event would end the process.
      part.on("error", () => undefined);
      parts.add(part);
      part.on("close", () => parts.delete(part));
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
    if (count === 0) throw fail("bad_request", "the multipart body has no part; expected a field 'file'");
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
