/** Shapes that many endpoints have: bodies that are no JSON value, and the fields of a list's pages. */
import { Type } from "@sinclair/typebox";

/** A body of bytes, or of text that is not one JSON value, such as CSV or lines of JSON. */
export const Binary = Type.Unsafe<Uint8Array>({ type: "string", format: "binary" });

/** Server-sent events: read one by one, as they come. */
export const Events = (description: string) => Type.String({ description });

/** Bytes on any transport. */
export const Bytes = Type.Uint8Array();

/** The page fields every list takes. */
export const pageFields = {
  page_size: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000 })),
  page_token: Type.Optional(Type.String({ maxLength: 4096 })),
};

/** The page field every list answers with; absent on the last page. */
export const nextPage = { next_page_token: Type.Optional(Type.String()) };
