/** The OpenAPI 3.1 document, derived from the contracts: nothing of an endpoint is written here. */
import type { TObject, TSchema } from "@sinclair/typebox";
import {
  type Contract,
  methodsOf,
  mutates,
  type Place,
  placesOf,
  prefixOf,
  type Raw,
  type Verb,
} from "../../../runtime/contract/contract.ts";
import { idempotencyKeyPattern } from "../../../runtime/http/http.ts";
import { errorSchemaOf, errorSchemas } from "./errors.ts";
import { wireSchema } from "./schema.ts";

type Schema = Record<string, unknown>;
type Content = Record<string, { schema: Schema }>;
type Headers = Record<string, { description: string; schema: Schema }>;
interface Answer {
  description: string;
  headers: Headers;
  content?: Content;
}
export interface Operation {
  operationId: string;
  tags: string[];
  summary: string;
  parameters: Parameter[];
  requestBody?: { required: boolean; content: Content };
  responses: Record<string, Answer>;
}
export interface Parameter {
  name: string;
  in: "path" | "query" | "header";
  required: boolean;
  description?: string;
  schema: Schema;
}
export interface Document {
  openapi: "3.1.0";
  info: { title: string; version: string; description: string };
  servers: { url: string; description: string }[];
  components: unknown;
  security: unknown[];
  paths: Record<string, Record<string, Operation>>;
}

type Mounted = Contract | { contract: Contract; prefix: string };
type Endpoint = Verb | Raw;

/** Describes all public endpoints of the contracts, each under its prefix. */
export function openApi(contracts: readonly Mounted[]): Document {
  const paths: Document["paths"] = {};
  for (const mounted of contracts) {
    const { contract, prefix } = "contract" in mounted ? mounted : { contract: mounted, prefix: "" };
    for (const [name, endpoint] of Object.entries(contract.endpoints)) {
      if (endpoint.kind === "internal") continue;
      for (const [at, place] of placesOf(endpoint).entries()) {
        const path = (prefixOf(endpoint, prefix) + place.path)
          .replace(/:(\w+)/g, "{$1}")
          .replace(/\*$/, "{key}");
        const methods = Object.fromEntries(
          methodsOf(endpoint).map((method, nth) => {
            const operationId = [
              contract.name,
              name,
              ...(at > 0 ? ["byQuery"] : []),
              ...(nth > 0 ? [method.toLowerCase()] : []),
            ].join(".");
            return [
              method.toLowerCase(),
              { operationId, tags: [contract.name], ...operation(endpoint, place, method) },
            ];
          }),
        );
        paths[path] = { ...paths[path], ...methods };
      }
    }
  }
  return {
    openapi: "3.1.0",
    info: { title: "Lakehouse", version: "1", description: "Files become SQL tables, behind one gateway." },
    servers: [
      { url: "/", description: "Where this document comes from." },
      { url: "http://127.0.0.1:3110", description: "The gateway as it is installed." },
    ],
    components: {
      schemas: errorSchemas,
      securitySchemes: { token: { type: "http", scheme: "bearer" } },
    },
    security: [{}, { token: [] }],
    paths,
  };
}

function operation(
  endpoint: Endpoint,
  place: Place,
  method: string,
): Pick<Operation, "summary" | "parameters" | "requestBody" | "responses"> {
  const content = bodiesOf(endpoint);
  return {
    summary: endpoint.summary,
    parameters: [
      ...parametersOf("path", place.params),
      ...parametersOf("query", place.query),
      ...Object.entries(headersOf(endpoint)).map(([name, description]) => ({
        name,
        in: "header" as const,
        required: false,
        description,
        schema: name === "idempotency-key" ? { ...text, pattern: idempotencyKeyPattern } : text,
      })),
    ],
    ...(content && { requestBody: { required: true, content } }),
    responses: { ...successes(endpoint, method), ...refusals(endpoint, place) },
  };
}

function parametersOf(place: "path" | "query", schema: TObject | undefined): Parameter[] {
  return Object.entries(schema?.properties ?? {}).map(([name, property]: [string, TSchema]) => ({
    name,
    in: place,
    required: place === "path" || (schema?.required ?? []).includes(name),
    ...(property.description !== undefined && { description: property.description }),
    schema: wireSchema(property, "answered"),
  }));
}

function headersOf(endpoint: Endpoint): Record<string, string> {
  return {
    ...endpoint.headers,
    ...(mutates(endpoint) && {
      "idempotency-key":
        "The same request with the same key within 24 hours is carried out once, and answered alike.",
    }),
    ...("etag" in endpoint && { "if-none-match": "304 where the answer has one of these etags." }),
  };
}

const contentOf = (schemas: Readonly<Record<string, TSchema>>, direction: "sent" | "answered"): Content =>
  Object.fromEntries(
    Object.entries(schemas).map(([type, schema]) => [type, { schema: wireSchema(schema, direction) }]),
  );

function bodiesOf(endpoint: Endpoint): Content | undefined {
  if (endpoint.kind === "raw") return endpoint.consumes && contentOf(endpoint.consumes, "sent");
  return endpoint.body && contentOf({ "application/json": endpoint.body }, "sent");
}

/** Statuses that have no body. */
const bodiless = new Set([204, 304]);
const successWords = new Map([
  [201, "Made."],
  [202, "Begun."],
  [204, "Done."],
  [206, "A part of it."],
  [304, "It is what the caller has."],
]);

function successes(endpoint: Endpoint, method: string): Record<string, Answer> {
  const statuses =
    endpoint.kind === "raw"
      ? (endpoint.statuses ?? [200])
      : [endpoint.status ?? 200, ...(endpoint.etag ? [304] : [])];
  const produces =
    endpoint.kind === "raw" ? (endpoint.produces ?? {}) : { "application/json": endpoint.reply };
  const content = contentOf(produces, "answered");
  const headers = answerHeadersOf(endpoint);
  return Object.fromEntries(
    statuses.map((status) => [
      String(status),
      {
        description: successWords.get(status) ?? "Success.",
        headers,
        ...(!bodiless.has(status) && method !== "HEAD" && { content }),
      },
    ]),
  );
}

const text = { type: "string" };
const requestId = {
  "x-request-id": {
    description: "Names the request in logs: the caller's own, or one that was made.",
    schema: text,
  },
};

const answerHeadersOf = (endpoint: Endpoint): Headers => ({
  ...requestId,
  ...("etag" in endpoint && { etag: { description: "Strong: of the answer.", schema: text } }),
  ...Object.fromEntries(
    Object.entries((endpoint.kind === "raw" && endpoint.answerHeaders) || {}).map(([name, description]) => [
      name,
      { description, schema: text },
    ]),
  ),
  ...(endpoint.kind === "raw" &&
    endpoint.compressed && {
      "content-encoding": { description: "What `Accept-Encoding` asked for.", schema: text },
    }),
});

const refusalWords: Readonly<Record<number, string>> = {
  400: "What was asked for is wrong.",
  401: "No token, or a wrong one.",
  402: "The budget is spent.",
  403: "This caller may not.",
  404: "There is nothing of this name.",
  406: "There is no such form of the answer.",
  408: "It took longer than it may.",
  409: "It contradicts what is there, or what the Idempotency-Key stands for.",
  412: "The condition does not hold.",
  413: "The body is too large.",
  415: "The body is of another kind.",
  416: "The object has no such span.",
  422: "The content cannot be worked on.",
  429: "Too many at once.",
  431: "URL and headers are too long.",
  500: "A fault of the server's, or damaged data.",
  502: "Another server answered wrongly, or nobody knows whether this was carried out.",
  503: "Not now: try again.",
  504: "Nothing answered in time.",
  507: "The disk is full.",
};

/** Those that any endpoint of this kind may give, and its own. */
function refusals(endpoint: Endpoint, { params, query }: Place): Record<string, Answer> {
  const hasNames = params !== undefined || query !== undefined;
  const takesBody = bodiesOf(endpoint) !== undefined;
  const statuses = new Set([
    ...[400, 401, 403, 431, 500, 503, 504],
    ...(hasNames || takesBody ? [404] : []),
    ...(takesBody ? [413, 415, 422, 429] : []),
    ...(mutates(endpoint) ? [409, 502, 507] : []),
    ...(endpoint.refusals ?? []),
  ]);
  const content = { "application/json": { schema: errorSchemaOf(endpoint.errors) } };
  const retryAfter = { "retry-after": { description: "Seconds to wait.", schema: text } };
  return Object.fromEntries(
    [...statuses].sort().map((status) => [
      String(status),
      {
        description: refusalWords[status] ?? "An error.",
        headers: { ...requestId, ...([429, 503].includes(status) && retryAfter) },
        content,
      },
    ]),
  );
}
