/** Answers that are read as they come: lines of JSON, and server-sent events. */
import { createParser, type EventSourceMessage } from "eventsource-parser";
import { LakehouseError } from "./failure.ts";

type Chunks = AsyncIterable<Uint8Array>;

/** One value a line. */
export async function* linesOf<T>(chunks: Chunks): AsyncGenerator<T> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of chunks) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line !== "") yield JSON.parse(line) as T;
  }
  rest += decoder.decode();
  if (rest !== "") yield JSON.parse(rest) as T;
}

export interface ServerEvent {
  /** `message` where the stream names none. */
  event: string;
  data: string;
  id?: string;
}

/** Server-sent events; comments, which keep silent connections open, are left out. */
export async function* eventsOf(chunks: Chunks): AsyncGenerator<ServerEvent> {
  const found: EventSourceMessage[] = [];
  const parser = createParser({ onEvent: (event) => found.push(event) });
  const decoder = new TextDecoder();
  for await (const chunk of chunks) {
    parser.feed(decoder.decode(chunk, { stream: true }));
    for (const { event = "message", data, id } of found.splice(0))
      yield { event, data, ...(id !== undefined && { id }) };
  }
}

/** The values of a conversation's events, to the last. Throws the error that the product says in the stream. */
export async function* answersOf<T extends object>(events: AsyncIterable<ServerEvent>): AsyncGenerator<T> {
  for await (const { data } of events) {
    if (data === "[DONE]") return;
    const value = JSON.parse(data) as T;
    const { error } = value as { error?: { type?: string; code?: string; message?: string } };
    if (error)
      throw new LakehouseError(error.code ?? error.type ?? "internal", error.message ?? "the model failed");
    yield value;
  }
  throw new LakehouseError("unavailable", "the answer ended before its end: what came of it is not all");
}
