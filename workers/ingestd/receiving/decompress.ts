/** gzip and zstd, recognised by their magic bytes or named by Content-Encoding, as streams. */
import { fail } from "../../../runtime/errors/errors.ts";

export type Chunks = AsyncIterable<Uint8Array>;
export type Compression = "gzip" | "zstd";

/** The compression that these first bytes announce. A zstd file may begin with a skippable frame, as pzstd writes them. */
export function compressionOf(head: Uint8Array): Compression | undefined {
  if (head[0] === 0x1f && head[1] === 0x8b) return "gzip";
  const magic = Buffer.from(head.subarray(0, 4)).toString("hex");
  return magic === "28b52ffd" || /^5.2a4d18$/.test(magic) ? "zstd" : undefined;
}

/**
 * Decompresses while it is read. Throws `unprocessable` when the data is damaged or was cut off.
 * Both accept several members or frames one after the other, as `pigz`, `bgzip` and `pzstd` write them.
 */
export async function* decompress(chunks: Chunks, compression: Compression): AsyncGenerator<Uint8Array> {
  const decoder = new DecompressionStream(compression as CompressionFormat);
  try {
    for await (const chunk of streamOf(watched(chunks)).pipeThrough(decoder)) yield chunk as Uint8Array;
  } catch (cause) {
    if (cause instanceof SourceError) throw cause.cause;
    throw fail("unprocessable", `the ${compression} data is damaged or cut off`, { cause });
  }
}

/** Marks errors of the source, which are passed on as they are. */
class SourceError extends Error {}

async function* watched(chunks: Chunks): AsyncGenerator<Uint8Array> {
  try {
    yield* chunks;
  } catch (cause) {
    throw new SourceError("the source of compressed data failed", { cause });
  }
}

const streamOf = (chunks: AsyncGenerator<Uint8Array>): ReadableStream<BufferSource> =>
  new ReadableStream<BufferSource>({
    pull: async (controller) => {
      const { value, done } = await chunks.next();
      if (done) controller.close();
      else controller.enqueue(value as Uint8Array<ArrayBuffer>);
    },
    cancel: async () => {
      await chunks.return(undefined);
    },
  });
