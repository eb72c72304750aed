/** The forms of errors, as the API's document has them. */
import type { ErrorForm } from "../../../runtime/contract/contract.ts";

type Schema = Record<string, unknown>;

const errorOf = (properties: Schema): Schema => ({
  type: "object",
  required: ["error"],
  properties: {
    error: { type: "object", required: Object.keys(properties), properties: { ...properties, details } },
  },
});
const details = { description: "Facts that depend on the type." };
const message = { type: "string", description: "For people: what was expected, what came, what to do." };
const request_id = { type: "string" };

const errorSchema = errorOf({
  message,
  type: { type: "string", description: "Stable and snake_case, for programs." },
  code: { type: "integer", description: "The HTTP status." },
  request_id,
});

const openAiErrorSchema = errorOf({
  message,
  type: { type: "string", description: "Of OpenAI's types." },
  code: { type: "string", description: "Of OpenAI's codes where it has one for this, else our type." },
  param: { type: ["string", "null"], description: "The field that is wrong." },
  request_id,
});

const icebergErrorSchema = errorOf({
  message,
  type: { type: "string", description: "The exception's name, as in Iceberg's own library." },
  code: { type: "integer", description: "The HTTP status." },
});

/** What is about a message, as JSON-RPC has it. */
const refusedMessageSchema: Schema = {
  type: "object",
  required: ["jsonrpc", "error", "id"],
  properties: {
    jsonrpc: { const: "2.0" },
    id: { type: ["string", "number", "null"] },
    error: {
      type: "object",
      required: ["code", "message"],
      properties: { code: { type: "integer", description: "Of JSON-RPC or MCP." }, message },
    },
  },
};

const refTo = (name: string): Schema => ({ $ref: `#/components/schemas/${name}` });

export const errorSchemas = {
  Error: errorSchema,
  OpenAiError: openAiErrorSchema,
  IcebergError: icebergErrorSchema,
  RefusedMessage: refusedMessageSchema,
  JsonRpcError: { anyOf: [refTo("Error"), refTo("RefusedMessage")] },
};

const names: Readonly<Record<ErrorForm, keyof typeof errorSchemas>> = {
  openai: "OpenAiError",
  iceberg: "IcebergError",
  "json-rpc": "JsonRpcError",
  // Programs that ask for a page get what all get.
  page: "Error",
};

/** A reference to the schema of an endpoint's errors. */
export const errorSchemaOf = (form: ErrorForm | undefined): Schema => refTo(names[form ?? "page"]);
