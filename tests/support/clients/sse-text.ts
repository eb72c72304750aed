/** Server-sent events out of the text of an answer, read apart from the code under test. */
export interface SentEvent {
  event: string;
  data: string;
}

export function eventsIn(text: string): SentEvent[] {
  const blocks = text.split("\n\n");
  if (blocks.at(-1) !== "") throw new Error(`the stream breaks off in an event: ${blocks.at(-1)}`);
  return blocks
    .slice(0, -1)
    .filter((block) => !block.startsWith(":"))
    .map((block) => {
      const fields = new Map(
        block.split("\n").map((line) => [line.split(": ")[0], line.slice(line.indexOf(": ") + 2)]),
      );
      return { event: fields.get("event") ?? "message", data: fields.get("data") ?? "" };
    });
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
