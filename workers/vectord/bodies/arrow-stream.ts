/**
 * The frame of an Arrow IPC stream, checked before its content is read: apache-arrow takes a stream that was cut
 * between two messages for a whole one, and items would be lost without a word.
 *
 * A message is 0xFFFFFFFF, the length of its metadata (both 4 bytes, little-endian), the metadata and the body; the
 * stream ends with 0xFFFFFFFF and the length 0. Source: "Encapsulated message format" of the Arrow columnar format.
 */
import { Message } from "apache-arrow";
import { fail, type ServiceError } from "../../../runtime/errors/errors.ts";

const continuation = 0xffffffff;
const prefixBytes = 8;

/** Throws `bad_request` unless the bytes are whole messages and the end marker. */
export function checkArrowStream(bytes: Uint8Array): void {
  if (bytes.length === 0) throw cut("the body is empty");
  if (Buffer.from(bytes.subarray(0, 6)).toString("latin1") === "ARROW1")
    throw cut("the body has the Arrow file format; send the stream format");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0, number = 1; ; number++) {
    if (at + prefixBytes > bytes.length)
      throw cut(`the stream ends after ${at} bytes without its end marker: it was cut off`);
    if (view.getUint32(at, true) !== continuation)
      throw cut(`message ${number} does not begin with the continuation marker at byte ${at}`);
    const length = view.getUint32(at + 4, true);
    at += prefixBytes;
    if (length === 0) {
      if (at !== bytes.length) throw cut(`${bytes.length - at} bytes follow the end marker`);
      return;
    }
    if (at + length > bytes.length) throw cut(`message ${number} is cut off in its metadata`);
    at += length + bodyLength(bytes.subarray(at, at + length), number);
    if (at > bytes.length) throw cut(`message ${number} is cut off in its body`);
  }
}

function bodyLength(metadata: Uint8Array, number: number): number {
  let length: number;
  try {
    length = Message.decode(metadata).bodyLength;
  } catch (cause) {
    throw fail("bad_request", `Arrow stream: the metadata of message ${number} cannot be read`, { cause });
  }
  if (!Number.isSafeInteger(length) || length < 0)
    throw cut(`message ${number} has a body of ${length} bytes`);
  return length;
}

const cut = (why: string): ServiceError => fail("bad_request", `Arrow stream: ${why}`);
