/** Text that comes in lines, and server-sent events in it. Lines are bounded: an answer must not fill the memory. */

/** Longest line, in UTF-16 units; one chunk of an answer is rarely over 100 KiB. */
const lineMax = 16 * 1024 * 1024;

/** Complete lines as they come, and what stands after the last of them. Throws RangeError for an endless line. */
export async function* linesOf(body: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const bytes of body) {
    // What stood there already holds no line's end.
    const searched = rest.length;
    rest += decoder.decode(bytes, { stream: true });
    let from = 0;
    for (let end = rest.indexOf("\n", searched); end >= 0; end = rest.indexOf("\n", from)) {
      yield rest.charCodeAt(end - 1) === 13
        ? rest.slice(from, Math.max(from, end - 1))
        : rest.slice(from, end);
      from = end + 1;
    }
    rest = rest.slice(from);
    if (rest.length > lineMax) throw new RangeError(`a line of more than ${lineMax} characters`);
  }
  rest += decoder.decode();
  if (rest !== "") yield rest;
}

export interface ServerEvent {
  /** `message` unless named. */
  event: string;
  data: string;
}

/** Events as they come; comments are left out, and so is one that breaks off before its empty line. */
export async function* eventsOf(body: AsyncIterable<Uint8Array>): AsyncGenerator<ServerEvent> {
  let event = "message";
  let data: string | undefined;
  for await (const line of linesOf(body)) {
    if (line === "") {
      if (data !== undefined) yield { event, data };
      event = "message";
      data = undefined;
      continue;
    }
    const [, field = "", value = ""] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
    if (field === "data") data = data === undefined ? value : `${data}\n${value}`;
    else if (field === "event") event = value;
  }
}
