/** What a request may say: OpenAI's fields, checked where a mistake would be silent, and the product's own. */
import type { Static, TObject } from "@sinclair/typebox";
import { check } from "../../../runtime/contract/contract.ts";
import { fail, invalidField } from "../../../runtime/errors/errors.ts";
import { type Json, OpenAiShape, OwnShape, type sampling } from "../schemas/schemas.ts";
import { checkMessages } from "./messages.ts";

type CacheUse = "off" | "use" | "refresh";

/** A conversation to be answered. */
export interface ChatRequest {
  /** Names of models, the preferred one first; never empty. */
  models: string[];
  /** In OpenAI's shape, without the fields below. */
  body: Json;
  streamed: boolean;
  streamOptions: Json;
  /** Fields of the request that are sent to no provider. */
  leftOut?: string[];
  cache: CacheUse;
  /** Window to ask Ollama for, in tokens. */
  contextTokens?: number;
}

/** The header by which a caller asks for the response cache, and which says what the cache did. */
export const cacheHeader = "x-lakehouse-cache";

export interface RequestOptions {
  /** The shape of `/chat`, which refuses unknown fields; else OpenAI's, which passes them on. */
  own: boolean;
  defaultModel: string;
  headers: Headers;
}

/** A conversation, checked. */
export function readChatRequest(given: Json, options: RequestOptions): ChatRequest {
  return readRequest(given, options, (present) => {
    const shape: TObject = options.own ? OwnShape : OpenAiShape;
    const read = check(shape, present, "the body") as Static<typeof OwnShape>;
    checkMessages(read.messages);
    checkTogether(read);
    return read;
  });
}

type Read = Json & Pick<Static<typeof OwnShape>, "cache" | "context_tokens" | keyof typeof sampling>;

/** The request, from fields that `checked` validates. */
export function readRequest(
  given: Json,
  { own, defaultModel, headers }: RequestOptions,
  checked: (present: Json) => Read,
): ChatRequest {
  // Clients send null for fields that they leave to the server.
  const present = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null));
  refuseDeep(present);
  const read = checked(present);
  checkStream(read);
  // biome-ignore format: one line a group
  const { model, models, stream, stream_options: streamOptions = {}, cache, context_tokens: contextTokens, ...rest } = read;
  const body: Json = own ? rest : { ...rest, ...passedOn(read) };
  return {
    models: modelsOf(model, models, defaultModel),
    body,
    streamed: stream ?? false,
    streamOptions,
    cache: own && cache !== undefined ? cache : cacheOf(headers),
    ...(own && contextTokens !== undefined && { contextTokens }),
  };
}

/** In OpenAI's shape these two fields are the provider's. */
const passedOn = ({ cache, context_tokens }: { cache?: unknown; context_tokens?: unknown }): Json => ({
  ...(cache !== undefined && { cache }),
  ...(context_tokens !== undefined && { context_tokens }),
});

function modelsOf(model: string | undefined, models: string[] | undefined, usual: string): string[] {
  if (model === undefined && models === undefined && usual === "")
    throw invalidField("model", "expected the name of a model, it is missing; or set [chatd] default_model");
  const first = model ?? (models === undefined ? usual : undefined);
  return [...(first === undefined ? [] : [first]), ...(models ?? [])];
}

function cacheOf(headers: Headers): CacheUse {
  const asked = headers.get(cacheHeader)?.toLowerCase() ?? "off";
  if (asked === "off" || asked === "use" || asked === "refresh") return asked;
  throw invalidField(cacheHeader, `expected off, use or refresh, got ${asked.slice(0, 40)}`);
}

function checkStream({ stop, stream, stream_options: options }: Read): void {
  const stops = Array.isArray(stop) ? stop : stop === undefined ? [] : [stop];
  if (stops.length > 16 || stops.some((text) => typeof text !== "string" || text === ""))
    throw invalidField("stop", "expected text or a list of at most 16 texts, none empty");
  if (options !== undefined && stream !== true)
    throw invalidField("stream_options", "they are for streams: send stream: true with them");
}

/** What no schema says: fields that need each other. */
function checkTogether(read: Static<typeof OpenAiShape>): void {
  const { tools, response_format: format } = read;
  tools?.forEach((tool, at) => {
    if (tool.type === "function" && tool.function === undefined)
      throw invalidField(
        `tools.${at}.function`,
        "expected an object with name and parameters, it is missing",
      );
  });
  if (format?.type === "json_schema" && format.json_schema?.schema === undefined)
    throw invalidField("response_format.json_schema", "expected an object with name and schema");
  if (read.top_logprobs !== undefined && read.logprobs !== true)
    throw invalidField("top_logprobs", "they need logprobs: true");
  checkToolChoice(read.tool_choice, tools ?? []);
}

type Tools = NonNullable<Static<typeof OpenAiShape>["tools"]>;

/** Only what no provider could do: what else a choice may be, the provider knows. */
function checkToolChoice(choice: unknown, tools: Tools): void {
  const isObject = typeof choice === "object" && choice !== null;
  if (choice !== undefined && !isObject && !["none", "auto", "required"].includes(String(choice)))
    throw invalidField(
      "tool_choice",
      `expected none, auto, required or a function, got ${JSON.stringify(choice)}`,
    );
  if (choice === undefined || choice === "none" || choice === "auto") return;
  if (tools.length === 0) throw invalidField("tool_choice", "there are no tools to choose from");
  const { type, function: named, allowed_tools: allowed } = Object(choice) as Json;
  const has = (tool: unknown) => {
    const { name } = Object((Object(tool) as Json).function) as Json;
    return tools.some((each) => each.function?.name === name);
  };
  if (type === "function" && !has({ function: named }))
    throw invalidField("tool_choice.function.name", "expected the name of one of the tools");
  const { tools: listed } = Object(allowed) as { tools?: unknown };
  if (type === "allowed_tools" && !(Array.isArray(listed) && listed.length > 0 && listed.some(has)))
    throw invalidField("tool_choice.allowed_tools.tools", "expected some of the tools");
}

// How deep a request may be nested: what is sent on has to be written again, by code that calls itself.

/** Levels; a JSON schema of real life has under 30. */
const depthMax = 256;

/** Throws `invalid_json` when lists and objects stand in each other more than 256 deep. */
function refuseDeep(value: unknown): void {
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > depthMax) throw fail("invalid_json", `the body is nested more than ${depthMax} levels deep`);
    const below: unknown[] = [];
    for (const each of level)
      if (typeof each === "object" && each !== null)
        for (const inner of Object.values(each))
          if (typeof inner === "object" && inner !== null) below.push(inner);
    level = below;
  }
}
