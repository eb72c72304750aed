/** Request bodies that are read whole: JSON within a bound. */

import { promisify } from "node:util";
import { brotliDecompress, gunzip, inflate, zstdDecompress } from "node:zlib";
import type { Static, TSchema } from "@sinclair/typebox";
import { check, type HttpRequest } from "../contract/contract.ts";
import { fail, ServiceError } from "../errors/errors.ts";
import { parseJson } from "../json/json.ts";
import { bufferedBody } from "./buffered.ts";
import { contentEncodings, isPlain } from "./content-encoding.ts";
import { begunBody, isShortBody, shortBody } from "./request-body.ts";

/** Refuses a body that announces more bytes than allowed, before any is read. */
export function refuseLongBody(headers: Headers, bytesMax: number): void {
  const announced = Number(headers.get("content-length") ?? 0);
  if (announced > bytesMax) throw tooLarge(announced, bytesMax);
}

/** The 413 of every body limit. */
export const tooLarge = (bytes: number, bytesMax: number) =>
  fail("too_large", `the body has ${bytes} bytes or more; at most ${bytesMax} are allowed`);

/** Reads at most `bytesMax` bytes, with its Content-Encoding undone: `too_large` beyond. */
export async function readBytes(request: HttpRequest, bytesMax: number): Promise<Uint8Array> {
  const bytes = await readAsSent(request, bytesMax);
  const encoding = request.headers.get("content-encoding");
  return encoding === null || isPlain(encoding) ? bytes : decodeBody(bytes, encoding, bytesMax);
}

async function readAsSent(request: HttpRequest, bytesMax: number): Promise<Uint8Array> {
  refuseLongBody(request.headers, bytesMax);
  const buffered = bufferedBody(request);
  if (buffered) {
    if (buffered.length > bytesMax) throw tooLarge(buffered.length, bytesMax);
    return buffered;
  }
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    if (isShortBody(request)) return await shortBody(request);
    for await (const chunk of (await begunBody(request)) ?? []) {
      bytes += chunk.length;
      if (bytes > bytesMax) throw tooLarge(bytes, bytesMax);
      chunks.push(chunk);
    }
  } catch (cause) {
    if (cause instanceof Error && cause.name === "AbortError")
      throw fail("client_closed", "the client went away", { cause });
    throw cause;
  }
  return chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks);
}

/** `curl -d` without a header says form-urlencoded; JSON is meant, and parsing decides. */
const jsonTypes = /^(application\/(json|[\w.-]+\+json|x-www-form-urlencoded))\s*(;|$)/i;

/** Reads a JSON object, unvalidated: 415 for another media type, `invalid_json` with the place for bad JSON. */
export async function readJsonObject(
  request: HttpRequest,
  bytesMax: number,
): Promise<Record<string, unknown>> {
  const type = request.headers.get("content-type");
  if (type !== null && !jsonTypes.test(type)) {
    throw fail(
      "unsupported_media_type",
      `expected Content-Type: application/json, got ${type.slice(0, 100)}`,
    );
  }
  const bytes = await readBytes(request, bytesMax);
  const value = parseBody(bytes);
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw fail("invalid_json", "expected a JSON object as the body");
  }
  return value as Record<string, unknown>;
}

/** Reads a JSON object and checks it against the schema. */
export async function readJson<S extends TSchema>(
  request: HttpRequest,
  schema: S,
  bytesMax: number,
): Promise<Static<S>> {
  return check(schema, await readJsonObject(request, bytesMax), "the body");
}

function parseBody(bytes: Uint8Array): unknown {
  if (bytes.length === 0) throw fail("invalid_json", "the body is empty; expected a JSON object");
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw fail("invalid_json", "the body is not valid UTF-8", { cause });
  }
  try {
    return parseJson(text);
  } catch (cause) {
    if (cause instanceof ServiceError) throw cause;
    throw fail("invalid_json", `the body is not valid JSON: ${(cause as Error).message}`, { cause });
  }
}

// `Content-Encoding` of request bodies that are read whole, as exporters and SDKs send JSON.

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
async function decodeBody(bytes: Uint8Array, encoding: string, bytesMax: number): Promise<Uint8Array> {
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
