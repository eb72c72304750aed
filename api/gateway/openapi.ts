/** The OpenAPI 3.1 document, derived from the contracts: TypeBox schemas are JSON Schema already. */
import type { TObject, TSchema } from "@sinclair/typebox";
import type { Contract, Raw, Verb } from "../../runtime/contract.ts";

export interface Operation {
  operationId: string;
  tags: string[];
  summary: string;
  parameters: Parameter[];
  requestBody?: { required: boolean; content: Record<string, { schema: unknown }> };
  responses: Record<string, unknown>;
}
export interface Parameter {
  name: string;
  in: "path" | "query";
  required: boolean;
  description?: string;
  schema: unknown;
}
export interface Document {
  openapi: "3.1.0";
  info: { title: string; version: string; description: string };
  components: unknown;
  security: unknown[];
  paths: Record<string, Record<string, Operation>>;
}

type Mounted = Contract | { contract: Contract; prefix: string };

/** Describes all public endpoints of the contracts, each under its prefix. */
export function openApi(contracts: readonly Mounted[]): Document {
  const paths: Document["paths"] = {};
  for (const mounted of contracts) {
    const { contract, prefix } = "contract" in mounted ? mounted : { contract: mounted, prefix: "" };
    for (const [name, endpoint] of Object.entries(contract.endpoints)) {
      if (endpoint.kind === "internal") continue;
      const path = (prefix + endpoint.path).replace(/:(\w+)/g, "{$1}").replace(/\*$/, "{key}");
      const methods = endpoint.kind === "raw" ? endpoint.methods : [endpoint.method];
      paths[path] ??= {};
      for (const method of methods) {
        const id = `${contract.name}.${name}${method === "HEAD" ? ".head" : ""}`;
        Object.assign(paths[path], { [method.toLowerCase()]: operation(id, contract.name, endpoint) });
      }
    }
  }
  return {
    openapi: "3.1.0",
    info: { title: "Lakehouse", version: "1", description: "Files become SQL tables, behind one gateway." },
    components: {
      schemas: { Error: errorSchema, OpenAiError: openAiErrorSchema },
      securitySchemes: { token: { type: "http", scheme: "bearer" } },
    },
    security: [{}, { token: [] }],
    paths,
  };
}

const errorSchema = {
  type: "object",
  required: ["error"],
  properties: {
    error: {
      type: "object",
      required: ["message", "type", "code", "request_id"],
      properties: {
        message: { type: "string", description: "For people: what was expected, what came, what to do." },
        type: { type: "string", description: "Stable and snake_case, for programs." },
        code: { type: "integer", description: "The HTTP status." },
        request_id: { type: "string" },
        details: { description: "Facts that depend on the type." },
      },
    },
  },
};

const openAiErrorSchema = {
  type: "object",
  required: ["error"],
  properties: {
    error: {
      type: "object",
      required: ["message", "type", "code", "param", "request_id"],
      properties: {
        message: { type: "string", description: "For people: what was expected, what came, what to do." },
        type: { type: "string", description: "As OpenAI's: invalid_request_error, server_error, …" },
        code: { type: "string", description: "As OpenAI's: context_length_exceeded, model_not_found, …" },
        param: { type: ["string", "null"], description: "The field that is wrong." },
        request_id: { type: "string" },
        details: { description: "Facts that depend on the code." },
      },
    },
  },
};

function operation(operationId: string, tag: string, endpoint: Verb | Raw): Operation {
  const parameters = [...parametersOf("path", endpoint.params), ...parametersOf("query", endpoint.query)];
  const body = requestBody(endpoint);
  return {
    operationId,
    tags: [tag],
    summary: endpoint.summary,
    parameters,
    ...(body && { requestBody: body }),
    responses: {
      ...success(endpoint),
      default: {
        description: "An error.",
        content: json({
          $ref: `#/components/schemas/${endpoint.errors === "openai" ? "OpenAiError" : "Error"}`,
        }),
      },
    },
  };
}

const json = (schema: unknown) => ({ "application/json": { schema } });

function parametersOf(place: "path" | "query", schema: TObject | undefined): Parameter[] {
  return Object.entries(schema?.properties ?? {}).map(([name, property]: [string, TSchema]) => ({
    name,
    in: place,
    required: place === "path" || (schema?.required ?? []).includes(name),
    ...(property.description !== undefined && { description: property.description }),
    schema: property,
  }));
}

function requestBody(endpoint: Verb | Raw): Operation["requestBody"] {
  if (endpoint.kind === "verb") return endpoint.body && { required: true, content: json(endpoint.body) };
  if (!endpoint.consumes) return undefined;
  const content = endpoint.consumes.map((type) => [
    type,
    { schema: type === "multipart/form-data" ? fileForm : {} },
  ]);
  return { required: true, content: Object.fromEntries(content) };
}

const fileForm = {
  type: "object",
  required: ["file"],
  properties: { file: { type: "string", contentMediaType: "application/octet-stream" } },
};

function success(endpoint: Verb | Raw): Record<string, unknown> {
  if (endpoint.kind === "verb")
    return { [endpoint.status ?? 200]: { description: "Success.", content: json(endpoint.reply) } };
  const content = Object.fromEntries((endpoint.produces ?? []).map((type) => [type, { schema: {} }]));
  return { "2XX": { description: "Success.", content } };
}
