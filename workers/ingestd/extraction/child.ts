/** What a child process does with one file of somebody's: the contract between it and `extraction.ts`. */
import type { Static } from "@sinclair/typebox";
import { closed, contract, internal, t } from "../../../runtime/contract/contract.ts";

const count = t.Integer({ minimum: 0 });

/** How a text is divided, in characters. */
export const Division = closed({ size: t.Integer({ minimum: 1 }), overlap: count });
export type Division = Static<typeof Division>;

/** A piece of a document's text. `start` and `end` count Unicode characters of the whole text, as SQL does. */
export const Chunk = closed({
  start: count,
  end: count,
  text: t.String(),
  page: t.Optional(t.Integer({ minimum: 1 })),
  /** The headings that it stands under, the outermost first. */
  headings: t.Array(t.String()),
});
export type Chunk = Static<typeof Chunk>;

/** What a document says of itself. */
export const Facts = closed({
  title: t.Optional(t.String()),
  author: t.Optional(t.String()),
  /** As ISO 8601 with an offset. */
  date: t.Optional(t.String()),
  subject: t.Optional(t.String()),
  sender: t.Optional(t.String()),
  recipients: t.Optional(t.String()),
  pages: t.Optional(count),
});
export type Facts = Static<typeof Facts>;

export const Extracted = closed({
  media_type: t.String(),
  facts: Facts,
  characters: count,
  chunks: t.Array(Chunk),
  /** What of the file is not in its text. */
  warnings: t.Array(t.String()),
});
export type Extracted = Static<typeof Extracted>;

/** A file out of an archive, or the reason why it is not one. */
export const Unpacked = closed({
  name: t.String(),
  path: t.Optional(t.String()),
  error: t.Optional(closed({ type: t.String(), message: t.String() })),
});
export type Unpacked = Static<typeof Unpacked>;

/** The rows of a file, which are lines of JSON then, and what is known of them. */
export const Taken = closed({
  format: t.String(),
  columns: t.Array(
    closed({
      name: t.String(),
      type: t.Optional(t.String()),
      as: t.Optional(t.Union([t.Literal("text"), t.Literal("json")])),
    }),
  ),
  found: t.Array(
    closed({ name: t.String(), hidden: t.Optional(t.Boolean()), taken: t.Boolean(), why: t.String() }),
  ),
  warnings: t.Array(t.String()),
});
export type Taken = Static<typeof Taken>;

export const extractor = contract("contents of files", {
  extract: internal({
    reads: true,
    summary: "The text of a file in chunks. `unprocessable` for one that cannot be read.",
    body: closed({
      path: t.String(),
      /** As the client calls it. */
      name: t.String(),
      mediaType: t.String(),
      division: Division,
      /** Longest text, in UTF-16 units. */
      textMax: t.Integer({ minimum: 1 }),
    }),
    reply: Extracted,
  }),
  unpack: internal({
    reads: true,
    summary: "The files of an archive, each written into the folder; null for what is no archive.",
    body: closed({
      path: t.String(),
      name: t.String(),
      into: t.String(),
      filesMax: count,
      /** Of all files together, decompressed. */
      bytesMax: count,
      fileBytesMax: count,
    }),
    reply: t.Union([closed({ files: t.Array(Unpacked) }), t.Null()]),
  }),
  take: internal({
    reads: true,
    summary: "The rows of a file that holds a table, written as lines of JSON.",
    body: closed({
      kind: t.Union([t.Literal("json"), t.Literal("avro"), t.Literal("sqlite"), t.Literal("workbook")]),
      path: t.String(),
      into: t.String(),
      pointer: t.Optional(t.String()),
      table: t.Optional(t.String()),
      sheet: t.Optional(t.String()),
      range: t.Optional(t.String()),
      header: t.Optional(t.Boolean()),
      skip: count,
      nulls: t.Array(t.String()),
      columnsMax: count,
      rowBytesMax: count,
      bytesMax: count,
    }),
    reply: Taken,
  }),
});
export type Extractor = typeof extractor;
