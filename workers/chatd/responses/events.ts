/** Chunks of a completion as the events of a response, in the order in which OpenAI sends them. */
import type { Json } from "../schemas/schemas.ts";
import {
  callItem,
  type Head,
  isTruncated,
  itemId,
  messageItem,
  reasoningItem,
  responseOf,
  textPart,
} from "./output.ts";

/** An item that is being written. */
interface Open {
  at: number;
  item: Json;
  text: string;
  /** Of a call: which one of the message. */
  call?: number;
}

/** Events without `sequence_number`, which the sender adds. */
export async function* eventsOf(chunks: AsyncGenerator<Json>, head: Head): AsyncGenerator<Json> {
  const writer = createWriter(head);
  let model: unknown;
  let usage: unknown;
  let finish: unknown;
  yield { type: "response.created", response: responseOf([], head) };
  yield { type: "response.in_progress", response: responseOf([], head) };
  for await (const chunk of chunks) {
    model = chunk.model;
    usage = chunk.usage ?? usage;
    const [choice] = chunk.choices as Json[];
    if (!choice) continue;
    finish = choice.finish_reason ?? finish;
    const { content, reasoning, refusal, tool_calls: calls } = Object(choice.delta) as Json;
    if (typeof reasoning === "string" && reasoning !== "") yield* writer.text("reasoning", reasoning);
    if (typeof content === "string" && content !== "") yield* writer.text("message", content);
    if (typeof refusal === "string" && refusal !== "") yield* writer.text("message", refusal);
    for (const call of (Array.isArray(calls) ? calls : []) as Json[]) yield* writer.call(call);
  }
  const status = isTruncated(finish) ? "incomplete" : "completed";
  yield* writer.close(status);
  yield { type: `response.${status}`, response: responseOf(writer.done, head, { finish, model, usage }) };
}

function createWriter(head: Head) {
  const done: Json[] = [];
  let open: Open | undefined;
  const place = ({ at, item }: Open): Json => ({ item_id: item.id, output_index: at });
  const inPart = (each: Open): Json => ({ ...place(each), content_index: 0 });

  function* close(status: string): Generator<Json> {
    if (!open) return;
    const closed = open;
    open = undefined;
    const { item, text, at } = closed;
    let finished: Json = { ...item, status };
    if (item.type === "function_call") {
      finished = { ...finished, arguments: text };
      yield {
        type: "response.function_call_arguments.done",
        ...place(closed),
        name: item.name,
        arguments: text,
      };
    } else {
      const part = partOf(item, text);
      finished = { ...finished, content: [part] };
      if (item.type === "reasoning") delete finished.status;
      yield { type: `${kindOf(item)}.done`, ...inPart(closed), text, ...logprobs(item) };
      yield { type: "response.content_part.done", ...inPart(closed), part };
    }
    done.push(finished);
    yield { type: "response.output_item.done", output_index: at, item: finished };
  }

  function* begin(item: Json, call?: number): Generator<Json> {
    yield* close("completed");
    open = { at: done.length, item, text: "", ...(call !== undefined && { call }) };
    yield { type: "response.output_item.added", output_index: open.at, item };
    if (call === undefined)
      yield { type: "response.content_part.added", ...inPart(open), part: partOf(item, "") };
  }

  function* add(delta: string): Generator<Json> {
    if (!open || delta === "") return;
    open.text += delta;
    const { item } = open;
    const where = open.call === undefined ? inPart(open) : place(open);
    yield { type: `${kindOf(item)}.delta`, ...where, delta, ...logprobs(item) };
  }

  return {
    done,
    close,
    *text(type: "message" | "reasoning", delta: string): Generator<Json> {
      if (open?.item.type !== type)
        yield* begin((type === "message" ? messageItem : reasoningItem)(head, indexOfNext()));
      yield* add(delta);
    },
    *call({ index = 0, id, function: called }: Json): Generator<Json> {
      const { name, arguments: given } = Object(called) as Json;
      if (open?.call !== index) {
        const item = callItem(
          { id: id ?? itemId("fc", head, Number(index)), function: { name } },
          head,
          indexOfNext(),
        );
        yield* begin(item, Number(index));
      }
      yield* add(typeof given === "string" ? given : "");
    },
  };

  function indexOfNext(): number {
    return done.length + (open ? 1 : 0);
  }
}

const kindOf = ({ type }: Json): string => {
  if (type === "function_call") return "response.function_call_arguments";
  return type === "reasoning" ? "response.reasoning_text" : "response.output_text";
};
const partOf = ({ type }: Json, text: string): Json =>
  type === "reasoning" ? { type: "reasoning_text", text } : textPart(text);
const logprobs = ({ type }: Json): Json => (type === "message" ? { logprobs: [] } : {});
