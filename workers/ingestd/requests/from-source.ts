/** Rows of a database as if they had been sent as CSV, with the types that it says. */
import { invalidField } from "../../../runtime/errors/errors.ts";
import { fold } from "../../../runtime/sql/sql.ts";
import { readPostgres, sourceOf, typeOf, warningsOf } from "../databases/databases.ts";
import { zoned } from "../inference/inference.ts";
import type { IngestInput, IngestParts, Task } from "../jobs/jobs.ts";
import type { FileContext } from "../tables/tables.ts";
import { type Body, refuseBody, type StoredBody, storeBody } from "./bodies.ts";

/** What is said about the file of rows that there is none of. */
const meaningless = [
  ...(["url", "format", "path", "sheet", "range", "union_by_name", "delimiter", "quote", "escape"] as const),
  ...([
    "comment",
    "skip",
    "header",
    "encoding",
    "null",
    "date_format",
    "timestamp_format",
    "decimal",
    "infer",
  ] as const),
] satisfies (keyof IngestInput)[];

/** Reads the table or query of `source`, in one snapshot, and stores its rows. */
export async function storeTable(
  task: Task,
  parts: IngestParts,
  { request, onFile }: Pick<Body, "request" | "onFile">,
): Promise<StoredBody> {
  const { input, job, fileContext } = task;
  const source = sourceOf(parts.sources, input.source ?? "");
  const wanted = wantedOf(input);
  await refuseBody(request, "source");
  const { columns, chunks, close } = await readPostgres(source, wanted, job.signal);
  try {
    const body = new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        const { value, done } = await chunks.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
    });
    const sent = new Request("http://localhost/", { method: "POST", body, duplex: "half" } as RequestInit);
    const { name } = input;
    const reading = {
      ...fileContext.reading,
      delimiter: ",",
      quote: '"',
      header: true,
      types: typesOf(columns, fileContext),
    };
    const own = {
      ...task,
      input: { name, format: "csv" as const },
      fileContext: { ...fileContext, reading },
    };
    const filename = input.table ?? source.name;
    const stored = await storeBody(own, parts, { request: sent, filename, ...(onFile && { onFile }) });
    return { ...stored, warnings: [...warningsOf(columns), ...(stored.warnings ?? [])] };
  } finally {
    await close();
  }
}

function wantedOf(input: IngestInput): { table: string } | { query: string } {
  const { table, query } = input;
  for (const field of meaningless)
    if (input[field] !== undefined) throw invalidField(field, "no meaning with source; leave it out");
  if (table !== undefined && query !== undefined)
    throw invalidField("query", "expected a table or a query of the source, not both");
  if (table !== undefined) return { table };
  if (query !== undefined) return { query };
  throw invalidField(
    "table",
    "expected with source the table that is read, as schema.table, or query=SELECT …",
  );
}

/** What the request asks for goes before what the database says; names that are one here are left to their values. */
function typesOf(
  columns: readonly { name: string; type: string }[],
  { reading }: FileContext,
): FileContext["reading"]["types"] {
  const types = new Map(reading.types);
  const byName = Map.groupBy(columns, ({ name }) => fold(name));
  for (const [key, [column, ...others]] of byName) {
    const type = column && typeOf(column.type);
    if (!column || type === undefined || others.length > 0 || types.has(key)) continue;
    types.set(key, { name: column.name, type: type === "TIMESTAMPTZ" ? zoned : type });
  }
  return types;
}
