/**
 * The client of a running product, for Node, Bun and browsers: every endpoint by its contract's types, and what people
 * ask for most in a line. See README.md beside this file.
 */
import type { Static } from "@sinclair/typebox";
import type { InputOf, ReplyOf } from "../../../runtime/contract/contract.ts";
import { gateway } from "../../gateway/contract.ts";
import { type Mounted, mounted } from "../../gateway/mounted.ts";
import { jsonOf, type ServiceClient, serviceClient } from "./endpoints.ts";
import { answersOf, eventsOf, linesOf, type ServerEvent } from "./reading.ts";
import { type ClientOptions, chunksOf, createSend, type RequestOptions } from "./sending.ts";

type Sql = Mounted["queryd"]["endpoints"]["sql"];
type Ingest = Mounted["ingestd"]["endpoints"]["ingest"];
type Chat = Mounted["chatd"]["endpoints"]["chat"];
type SqlRequest = Omit<Static<Sql["consumes"]["application/json"]>, "sql" | "objects" | "postgres">;
type ChatRequest = Omit<Static<Chat["consumes"]["application/json"]>, "stream">;
type Ingested = Static<Ingest["produces"]["application/json"]>;

/** A row by its columns' names. */
export type Row = Record<string, unknown>;

export interface SqlOptions extends RequestOptions, SqlRequest {
  /**
   * How wide integers and decimals come: as strings, the default, for JavaScript's numbers would lose digits of them; or as
   * numbers of JSON.
   */
  numbers?: "json" | "string";
}

/** Formats of results that are bytes. */
const formats = {
  arrow: "application/vnd.apache.arrow.stream",
  parquet: "application/vnd.apache.parquet",
  csv: "text/csv",
  json: "application/json",
  ndjson: "application/x-ndjson",
};
export type Format = keyof typeof formats;

/** A piece of a conversation's answer, in OpenAI's shape. */
export interface ChatChunk {
  model?: string;
  choices: {
    index: number;
    delta: { role?: string; content?: string | null };
    finish_reason?: string | null;
  }[];
}

interface Everyday {
  /** Rows of one reading statement, all at once. */
  sql: (sql: string, options?: SqlOptions) => Promise<Row[]>;
  /** The same row by row, at constant memory. Leaving the loop ends the query. */
  rows: (sql: string, options?: SqlOptions) => AsyncGenerator<Row>;
  /** The result's bytes as they come, as `Response`: an Arrow stream, a Parquet file, CSV, JSON. */
  result: (sql: string, format: Format, options?: SqlOptions) => Promise<Response>;
  /** Loads a file as a dataset; several as a form with fields `file`; none where `input.url` says where one is. */
  load: (input: InputOf<Ingest>, file?: BodyInit, options?: RequestOptions) => Promise<Ingested>;
  /** The best rows of the corpora for a text. */
  search: (
    text: string,
    input?: Omit<InputOf<Mounted["matrixd"]["endpoints"]["search"]>, "query_text">,
    options?: RequestOptions,
  ) => Promise<ReplyOf<Mounted["matrixd"]["endpoints"]["search"]>>;
  /** A conversation's answer, piece by piece. */
  chat: (request: ChatRequest, options?: RequestOptions) => AsyncGenerator<ChatChunk>;
  /** An answer's bytes as they come. One that breaks off throws; leaving the loop ends the work behind it. */
  bytes: (response: Response, signal?: AbortSignal) => AsyncGenerator<Uint8Array>;
  /** Server-sent events of an answer, such as those of a job. */
  events: (response: Response, signal?: AbortSignal) => AsyncGenerator<ServerEvent>;
}

export type Client = Everyday & { [S in keyof Mounted]: ServiceClient<Mounted[S]> } & {
  gateway: ServiceClient<typeof gateway>;
};

/** A client of the gateway at this address. It holds no connection: there is nothing to close. */
export function createClient(options: ClientOptions): Client {
  const send = createSend(options);
  const services = Object.fromEntries(
    Object.entries(mounted).map(([name, contract]) => [name, serviceClient(contract, "/v1", send)]),
  ) as { [S in keyof Mounted]: ServiceClient<Mounted[S]> };
  const bytes = (response: Response, signal?: AbortSignal) => chunksOf(response, options.url, signal);
  return { ...services, gateway: serviceClient(gateway, "", send), ...everyday(services, bytes) };
}

function everyday(
  { queryd, ingestd, matrixd, chatd }: { [S in keyof Mounted]: ServiceClient<Mounted[S]> },
  bytes: Everyday["bytes"],
): Everyday {
  const result: Everyday["result"] = (sql, format, { numbers = "string", ...given } = {}) => {
    const { request, rest } = parted(given);
    // The other formats say of each number of what type it is.
    const written = format === "json" || format === "ndjson" ? { numbers } : {};
    return queryd.sql(written, { ...rest, json: { sql, ...request }, accept: formats[format] });
  };
  const events: Everyday["events"] = (response, signal) => eventsOf(bytes(response, signal));
  return {
    ...{ result, bytes, events },
    sql: async (sql, given) => (await jsonOf(await result(sql, "json", given), given?.signal)) as Row[],
    rows: async function* (sql, given) {
      yield* linesOf<Row>(bytes(await result(sql, "ndjson", given), given?.signal));
    },
    load: async (input, file, given) => {
      const form = file !== undefined &&
        !(file instanceof FormData) &&
        !hasType(given) && { "content-type": "application/octet-stream" };
      const headers = { ...form, ...given?.headers };
      const response = await ingestd.ingest(input, {
        ...given,
        headers,
        ...(file !== undefined && { body: file }),
      });
      return (await jsonOf(response, given?.signal)) as Ingested;
    },
    search: (query_text, input, given) => matrixd.search({ query_text, ...input }, given),
    chat: async function* (request, given) {
      const response = await chatd.chat({}, { ...given, json: { ...request, stream: true } });
      yield* answersOf<ChatChunk>(events(response, given?.signal));
    },
  };
}

const hasType = (given: RequestOptions | undefined): boolean =>
  new Headers(given?.headers).has("content-type");

/** What belongs into the body, and what is about the request. */
function parted({ params, as_of, engine, timeout_ms, limit, ...rest }: Omit<SqlOptions, "numbers">) {
  const request: SqlRequest = {
    ...(params !== undefined && { params }),
    ...(as_of !== undefined && { as_of }),
    ...(engine !== undefined && { engine }),
    ...(timeout_ms !== undefined && { timeout_ms }),
    ...(limit !== undefined && { limit }),
  };
  return { request, rest };
}
