/** Server-sent events in the text of an answer. */
import { createParser } from "eventsource-parser";

export interface SentEvent {
  event: string;
  data: string;
}

/** All events of the text. Throws when it breaks off within one. */
export function eventsIn(text: string): SentEvent[] {
  const events: SentEvent[] = [];
  const parser = createParser({
    onEvent: ({ event = "message", data }) => events.push({ event, data }),
    onError: (cause) => {
      throw cause;
    },
  });
  parser.feed(text);
  if (!text.endsWith("\n\n")) throw new Error(`the stream breaks off in an event: ${text.slice(-200)}`);
  return events;
}

/** The text that a stream's chunks bring. */
export const textOfEvents = (events: readonly SentEvent[]): string =>
  events
    .filter(({ event, data }) => event === "message" && data !== "[DONE]")
    .flatMap(({ data }) => JSON.parse(data).choices as { delta?: { content?: string } }[])
    .map(({ delta }) => delta?.content ?? "")
    .join("");

/** The whole body of an answer as text; once `mark` has arrived, `meanwhile` is called again and again until the end. */
export async function readTo(response: Response, mark: string, meanwhile: () => void): Promise<string> {
  const decoder = new TextDecoder();
  // Chunk by chunk: iterating over the stream waits for more of them.
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  let text = "";
  let timer: ReturnType<typeof setInterval> | undefined;
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    text += decoder.decode(read.value, { stream: true });
    if (text.includes(mark)) timer ??= setInterval(meanwhile, 2);
  }
  clearInterval(timer);
  return text;
}
