/** `Content-Encoding` of answers: what the caller asks for, while it streams. */
import type { Transform } from "node:stream";
import { constants, createBrotliCompress, createGzip, createZstdCompress } from "node:zlib";
import type { HttpRequest } from "../contract/contract.ts";
import { bufferedBody, bufferedResponse } from "./buffered.ts";

/** In the order of our liking: what compresses fastest for its ratio first. */
const encoders = new Map<string, () => Transform>([
  ["zstd", () => createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: 3 } })],
  ["gzip", () => createGzip({ level: 4 })],
  ["br", () => createBrotliCompress({ params: { [constants.BROTLI_PARAM_QUALITY]: 4 } })],
]);

/** The coding that the caller likes best, of equals the first above; undefined: as it is (RFC 9110 §12.5.3). */
export function chooseEncoding(header: string | null): string | undefined {
  if (header === null) return undefined;
  const wishes = new Map(
    header.split(",").map((entry) => {
      const [name = "", ...parameters] = entry.split(";").map((part) => part.trim().toLowerCase());
      const quality = Number(parameters.find((each) => each.startsWith("q="))?.slice(2) ?? 1);
      return [name.replace(/^x-gzip$/, "gzip"), quality >= 0 && quality <= 1 ? quality : 0];
    }),
  );
  const quality = (name: string) => wishes.get(name) ?? wishes.get("*") ?? 0;
  const plain = wishes.get("identity") ?? 0;
  const [best] = [...encoders.keys()].sort((a, b) => quality(b) - quality(a));
  return best !== undefined && quality(best) > 0 && quality(best) >= plain ? best : undefined;
}

/** Shorter bodies fit into one packet: they are sent as they are. */
const compressedBytesMin = 1024;
/** What is packed already gains nothing. */
const packable = /^(application\/(json|x-ndjson)|text\/(csv|html|css|javascript))\b/;

/** The answer in the coding that its caller asked for. What streams goes on to: each chunk when it is made. */
export async function encodeAnswer(request: HttpRequest, response: Response): Promise<Response> {
  const { headers } = response;
  if (!response.body || headers.has("content-encoding") || !packable.test(headers.get("content-type") ?? ""))
    return response;
  headers.append("vary", "accept-encoding");
  const coding = chooseEncoding(request.headers.get("accept-encoding"));
  const buffered = bufferedBody(response);
  const encoder = encoders.get(coding ?? "");
  if (coding === undefined || !encoder || (buffered && buffered.length < compressedBytesMin)) return response;
  const encodedHeaders = new Headers(headers);
  encodedHeaders.set("content-encoding", coding);
  encodedHeaders.delete("content-length");
  const stream = encoded(response.body, encoder());
  const init = { status: response.status, headers: encodedHeaders };
  if (!buffered) return new Response(stream, init);
  return bufferedResponse(await new Response(stream).bytes(), init);
}

/** At most one chunk is under way. An answer that breaks off stays broken: it gets no end that looks right. */
function encoded(body: ReadableStream<Uint8Array>, encoder: Transform): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  const made: Uint8Array[] = [];
  encoder.on("data", (bytes: Uint8Array) => made.push(bytes));
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => {});
  encoder.once("error", failed.reject);
  const step = async (chunk: Uint8Array | undefined) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    if (chunk === undefined) encoder.once("end", resolve).end();
    else {
      encoder.write(chunk);
      (encoder as unknown as { flush: (done: () => void) => void }).flush(resolve);
    }
    await Promise.race([promise, failed.promise]);
  };
  return new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        try {
          const { value, done } = await reader.read();
          await step(value);
          for (const bytes of made.splice(0)) controller.enqueue(bytes);
          if (done) controller.close();
        } catch (cause) {
          encoder.destroy();
          controller.error(cause);
          await reader.cancel(cause).catch(() => {});
        }
      },
      cancel: async (reason) => {
        encoder.destroy();
        await reader.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
}
