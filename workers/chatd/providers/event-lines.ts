/** Text that comes in lines, and server-sent events in it. Lines are bounded: an answer must not fill the memory. */
import { createParser } from "eventsource-parser";

/** Longest line, in UTF-16 units; one chunk of an answer is rarely over 100 KiB. */
const lineMax = 16 * 1024 * 1024;

/** Complete lines as they come, and what stands after the last of them. Throws RangeError for an endless line. */
export async function* linesOf(body: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  /** Of a line that has not ended: put together once, however many pieces it comes in. */
  let begun: string[] = [];
  let length = 0;
  const ended = (last: string): string => {
    const line = begun.length === 0 ? last : begun.join("") + last;
    begun = [];
    length = 0;
    return line.endsWith("\r") ? line.slice(0, -1) : line;
  };
  for await (const bytes of body) {
    const text = decoder.decode(bytes, { stream: true });
    let from = 0;
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n", from)) {
      yield ended(text.slice(from, end));
      from = end + 1;
    }
    if (from === text.length) continue;
    begun.push(text.slice(from));
    length += text.length - from;
    if (length > lineMax) throw new RangeError(`a line of more than ${lineMax} characters`);
  }
  const rest = begun.join("") + decoder.decode();
  if (rest !== "") yield rest;
}

interface ServerEvent {
  /** Absent where the server gave none, which is `message`. */
  event?: string | undefined;
  data: string;
}

/** Events as they come; comments are left out, and so is one that breaks off before its empty line. */
export async function* eventsOf(body: AsyncIterable<Uint8Array>): AsyncGenerator<ServerEvent> {
  const decoder = new TextDecoder();
  const events: ServerEvent[] = [];
  const parser = createParser({
    maxBufferSize: lineMax,
    onEvent: (event) => events.push(event),
    onError: ({ type, message }) => {
      if (type === "max-buffer-size-exceeded") throw new RangeError(message);
    },
  });
  for await (const bytes of body) {
    parser.feed(decoder.decode(bytes, { stream: true }));
    yield* events.splice(0);
  }
}
