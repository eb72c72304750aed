/** What a model may use while it answers: a search and SQL, both by the public API, both only reading. */
import { call, told } from "../browser/browser.ts";
import { chat as says } from "../texts/texts.ts";

export interface ToolCall {
  id: string;
  type: "function";
  function: { name: string; arguments: string };
}

const [rowsMax, hitsMax, resultCharactersMax] = [50, 10, 20_000];

const tool = (name: string, description: string, properties: Record<string, object>) => ({
  type: "function",
  function: {
    name,
    description,
    parameters: {
      type: "object",
      properties,
      required: Object.keys(properties),
      additionalProperties: false,
    },
  },
});

/** As OpenAI's models are told of them; without corpora there is nothing to search. */
export const toolsOf = (corpora: readonly string[]) => [
  ...(corpora.length === 0
    ? []
    : [
        tool("search", says.searchTool, {
          corpus: { type: "string", enum: corpora },
          query: { type: "string" },
        }),
      ]),
  tool("sql", says.sqlTool, { statement: { type: "string" } }),
];

/** What a call gives, as the model is told; a failure is told as well, so that it can do better. */
export async function resultOf({ function: asked }: ToolCall, signal: AbortSignal): Promise<string> {
  try {
    const given = JSON.parse(asked.arguments || "{}") as Record<string, string>;
    const response =
      asked.name === "search"
        ? await call("POST", "/v1/matrix/search", {
            body: { query_text: given.query, corpora: [given.corpus], k: hitsMax, include_text: true },
            signal,
          })
        : await call("POST", "/v1/sql?numbers=string", {
            body: { sql: given.statement, limit: rowsMax },
            signal,
          });
    return shortened(await response.text());
  } catch (cause) {
    if (signal.aborted) throw cause;
    return says.toolFailed(told(cause));
  }
}

const shortened = (text: string): string =>
  text.length > resultCharactersMax ? `${text.slice(0, resultCharactersMax)} … and more` : text;
