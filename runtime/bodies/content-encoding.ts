/** Compressed bodies, decompressed a little at a time: a megabyte may hold a gigabyte, and the reader bounds it. */
import { Readable, type Transform } from "node:stream";
import { createBrotliDecompress, createGunzip, createInflate } from "node:zlib";

type Unpack = (body: ReadableStream<Uint8Array>) => ReadableStream<Uint8Array>;

const decoders: Readonly<Record<string, Unpack>> = {
  gzip: (body) => through(createGunzip(), body),
  "x-gzip": (body) => through(createGunzip(), body),
  deflate: (body) => through(createInflate(), body),
  br: (body) => through(createBrotliDecompress(), body),
  // node:zlib of Bun 1.4.5 ends a cut zstd stream without an error.
  zstd: (body) => body.pipeThrough(new DecompressionStream("zstd" as CompressionFormat) as never),
};

/** The codings that are understood, as they stand in a message; `x-gzip` is an old name of the first. */
export const contentEncodings = ["gzip", "deflate", "br", "zstd"] as const;

/** Whether a `Content-Encoding` can be unpacked; one coding at a time, as everybody sends it. */
export const isKnownEncoding = (encoding: string): boolean => Object.hasOwn(decoders, nameOf(encoding));

/** Whether a `Content-Encoding` says that the body is as it is. */
export const isPlain = (encoding: string | null): boolean => /^(identity)?$/.test(nameOf(encoding ?? ""));

const nameOf = (encoding: string): string => encoding.trim().toLowerCase();

/**
 * The body without its coding, in pieces of 64 KiB at most and hardly ahead of its reader. It fails where the coded
 * body is damaged or ends early; to cancel it cancels the body. Throws RangeError for an encoding that is not known.
 */
export function unpacked(body: ReadableStream<Uint8Array>, encoding: string): ReadableStream<Uint8Array> {
  if (!isKnownEncoding(encoding)) throw new RangeError(`content encoding '${encoding}' is not known`);
  return (decoders[nameOf(encoding)] as Unpack)(body);
}

function through(decoder: Transform, body: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
  const source = Readable.fromWeb(body as never);
  source.on("error", (cause) => decoder.destroy(cause));
  decoder.on("close", () => source.destroy());
  source.pipe(decoder);
  const pieces = decoder[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
  return new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        const { done, value } = await pieces.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel: () => {
        decoder.destroy();
      },
    },
    { highWaterMark: 0 },
  );
}
