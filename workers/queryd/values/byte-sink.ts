/** A growing buffer that text results are written into, byte by byte, without strings in between. */

/** The size a buffer begins with: most results are small. */
const bytesMin = 2 * 1024;
const encoder = new TextEncoder();

export interface ByteSink {
  bytes: Uint8Array;
  length: number;
  /** The size of the buffer that the next write makes when there is none. */
  bytesNext: number;
}

export const createSink = (): ByteSink => ({
  bytes: new Uint8Array(bytesMin),
  length: 0,
  bytesNext: bytesMin,
});

/** Makes sure that so many bytes fit behind what is there. */
export function reserve(sink: ByteSink, more: number): void {
  const needed = sink.length + more;
  if (needed <= sink.bytes.length) return;
  const grown = new Uint8Array(Math.max(sink.bytes.length * 2, needed, sink.bytesNext));
  grown.set(sink.bytes.subarray(0, sink.length));
  sink.bytes = grown;
}

const nothing = new Uint8Array();

/** What was written; the sink begins anew, at the first write as large as it was. */
export function takeBytes(sink: ByteSink): Uint8Array {
  const taken = sink.bytes.subarray(0, sink.length);
  sink.bytes = nothing;
  sink.bytesNext = Math.max(bytesMin, sink.length);
  sink.length = 0;
  return taken;
}

export function writeByte(sink: ByteSink, byte: number): void {
  if (sink.length === sink.bytes.length) reserve(sink, 1);
  sink.bytes[sink.length++] = byte;
}

/** Fewer bytes are copied faster by hand than by a call. */
const copiedByHandMax = 24;

export function writeBytes(sink: ByteSink, source: Uint8Array, from = 0, length = source.length): void {
  reserve(sink, length);
  const { bytes } = sink;
  const start = sink.length;
  if (length > copiedByHandMax) bytes.set(source.subarray(from, from + length), start);
  else for (let at = 0; at < length; at++) bytes[start + at] = source[from + at] as number;
  sink.length = start + length;
}

/** Text of ASCII characters alone. */
export function writeAscii(sink: ByteSink, text: string): void {
  reserve(sink, text.length);
  const { bytes } = sink;
  let at = sink.length;
  for (let index = 0; index < text.length; index++) bytes[at++] = text.charCodeAt(index);
  sink.length = at;
}

export function writeText(sink: ByteSink, text: string): void {
  reserve(sink, text.length * 3);
  sink.length += encoder.encodeInto(text, sink.bytes.subarray(sink.length)).written;
}
