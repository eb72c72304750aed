/** How a request says that its files are to be read. */
import { t } from "../../../runtime/contract/contract.ts";

/** Where in a file the rows are. */
const whereRowsAre = {
  path: t.Optional(
    t.String({
      maxLength: 1024,
      description:
        "A JSON Pointer (RFC 6901) to the array in a JSON document whose items are the rows, as /data/items; empty for the document itself.",
    }),
  ),
  table: t.Optional(
    t.String({ minLength: 1, maxLength: 1024, description: "The table of a SQLite file, or of `source`." }),
  ),
  sheet: t.Optional(
    t.String({
      minLength: 1,
      maxLength: 256,
      description: "The sheet of a workbook, by name or number; the first that is shown unless given.",
    }),
  ),
  range: t.Optional(
    t.String({ minLength: 2, maxLength: 40, description: "Cells of the sheet: B3:F90, B3:F or B3." }),
  ),
  union_by_name: t.Optional(
    t.Boolean({
      description:
        "Files of one request may have different columns: what a file lacks is NULL. Else all must have the same.",
    }),
  ),
};

/** How to read the file. Delimiter, encoding and types are found out when absent; there is a header unless told otherwise. */
export const reading = {
  format: t.Optional(
    t.Union([
      ...([t.Literal("csv"), t.Literal("ndjson"), t.Literal("parquet"), t.Literal("json")] as const),
      ...([t.Literal("xlsx"), t.Literal("ods"), t.Literal("avro"), t.Literal("sqlite")] as const),
    ]),
  ),
  ...whereRowsAre,
  delimiter: t.Optional(
    t.String({ minLength: 1, maxLength: 8, description: "At most 4 bytes, or `tab` or `space`." }),
  ),
  quote: t.Optional(t.String({ maxLength: 1, description: "One character, or empty for none." })),
  escape: t.Optional(
    t.String({
      maxLength: 1,
      description: "Stands before a quote or itself inside quotes, such as a backslash.",
    }),
  ),
  comment: t.Optional(t.String({ maxLength: 1, description: "Lines that begin with it are skipped." })),
  skip: t.Optional(t.Integer({ minimum: 0, maximum: 10_000, description: "Lines before the header." })),
  header: t.Optional(t.Boolean()),
  encoding: t.Optional(
    t.Union([t.Literal("utf-8"), t.Literal("utf-16"), t.Literal("latin-1"), t.Literal("windows-1252")]),
  ),
  null: t.Optional(
    t.Array(t.String({ maxLength: 64 }), {
      maxItems: 100,
      description: "A text that stands for NULL beside the empty field; may be given several times.",
    }),
  ),
  types: t.Optional(
    t.String({ maxLength: 65_536, description: 'col:TYPE,col:TYPE, or a JSON object {"col":"TYPE"}.' }),
  ),
  date_format: t.Optional(t.String({ minLength: 1, maxLength: 64, description: "As strptime: %d/%m/%Y." })),
  timestamp_format: t.Optional(
    t.String({ minLength: 1, maxLength: 64, description: "As strptime: %d/%b/%Y:%H:%M:%S %z." }),
  ),
  decimal: t.Optional(
    t.Union([t.Literal("."), t.Literal(",")], {
      description:
        "What stands before the fraction of a number: with `,`, 1,5 is 1.5 and 1.500,25 is 1500.25.",
    }),
  ),
  infer: t.Optional(
    t.Union([t.Literal("exact"), t.Literal("values")], {
      description:
        "`exact`: a type only where every text reads back. `values`: by value, whatever its notation; NA and the like are NULL.",
    }),
  ),
};
