/** An answer in the shape of OpenAI's chat completions, as it streams. */
import { linesOf } from "../browser/browser.ts";
import type { ToolCall } from "./tools.ts";

export interface Answered {
  content: string;
  toolCalls: ToolCall[];
  usage?: { prompt_tokens?: number; completion_tokens?: number; cost?: number };
}

interface Chunk {
  choices?: {
    delta?: {
      content?: string | null;
      tool_calls?: { index?: number; id?: string; function?: { name?: string; arguments?: string } }[];
    };
  }[];
  usage?: Answered["usage"] | null;
  error?: { message: string };
}

const prefix = "data: {";

/** Calls `onText` with each part. Throws what the stream says went wrong. */
export async function streamed(response: Response, onText: (text: string) => void): Promise<Answered> {
  const answered: Answered = { content: "", toolCalls: [] };
  for await (const line of linesOf(response)) {
    if (!line.startsWith(prefix)) continue;
    const { choices, usage, error } = JSON.parse(line.slice(prefix.length - 1)) as Chunk;
    if (error) throw new Error(error.message);
    if (usage) answered.usage = usage;
    const { content, tool_calls: calls = [] } = choices?.[0]?.delta ?? {};
    if (content) {
      answered.content += content;
      onText(content);
    }
    for (const part of calls) take(answered.toolCalls, part);
  }
  return answered;
}

/** A call comes in parts: its name first, its arguments piece by piece. */
function take(
  all: ToolCall[],
  {
    index = 0,
    id,
    function: part,
  }: { index?: number; id?: string; function?: Partial<ToolCall["function"]> },
): void {
  const known = all[index] ?? {
    id: id ?? `call-${index}`,
    type: "function",
    function: { name: "", arguments: "" },
  };
  known.function.name += part?.name ?? "";
  known.function.arguments += part?.arguments ?? "";
  all[index] = known;
}
