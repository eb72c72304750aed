/** `Content-Encoding` of request bodies that are read whole, as exporters and SDKs send JSON. */
import { promisify } from "node:util";
import { brotliDecompress, gunzip, inflate, zstdDecompress } from "node:zlib";
import { fail } from "../errors/errors.ts";
import { contentEncodings } from "./content-encoding.ts";

type Decoder = (bytes: Uint8Array, options: { maxOutputLength: number }) => Promise<Uint8Array>;

/** node:zlib of Bun 1.4.5 ends a cut zstd frame without an error; Bun's own decoder throws, and has no bound. */
const unzstd: Decoder = async (bytes, options) => {
  const decoded = await promisify(zstdDecompress)(bytes, options);
  await Bun.zstdDecompress(bytes as Uint8Array<ArrayBuffer>);
  return decoded;
};

const decoders = new Map<string, Decoder>([
  ["gzip", promisify(gunzip)],
  ["x-gzip", promisify(gunzip)],
  ["deflate", promisify(inflate)],
  ["br", promisify(brotliDecompress)],
  ["zstd", unzstd],
]);

const understood = contentEncodings.join(", ");

/** Undoes one coding. `too_large` when there would be more than `bytesMax` bytes, which are never made. */
export async function decodeBody(bytes: Uint8Array, encoding: string, bytesMax: number): Promise<Uint8Array> {
  const coding = encoding.trim().toLowerCase();
  const decoder = decoders.get(coding);
  if (!decoder)
    throw fail(
      "unsupported_media_type",
      `expected Content-Encoding: ${understood} or none, got ${coding.slice(0, 100)}`,
      { headers: { "accept-encoding": understood } },
    );
  try {
    return await decoder(bytes, { maxOutputLength: bytesMax });
  } catch (cause) {
    if ((cause as { code?: unknown }).code === "ERR_BUFFER_TOO_LARGE")
      throw fail(
        "too_large",
        `the body unpacks to more than ${bytesMax} bytes; at most that many are allowed`,
      );
    throw fail(
      "bad_request",
      `Content-Encoding says ${coding}, but the body cannot be unpacked: it is something else, or cut off`,
      { cause },
    );
  }
}
