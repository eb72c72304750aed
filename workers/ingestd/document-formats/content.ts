/** What every format comes to. */

export interface Block {
  kind: "heading" | "paragraph" | "list" | "table" | "code";
  text: string;
  /** Of a heading, from 1. */
  level?: number;
  /** From 1, where the format has pages. */
  page?: number;
}

/** What a document says of itself. */
export interface Facts {
  title?: string;
  author?: string;
  /** As ISO 8601 with an offset. */
  date?: string;
  subject?: string;
  sender?: string;
  recipients?: string;
  pages?: number;
}

export interface Content {
  blocks: Block[];
  facts: Facts;
  /** What of the file is not in its text. */
  warnings?: string[];
}

/** Reads the bytes of a document. `textMax` bounds its text, in UTF-16 units. */
export type Reader = (bytes: Uint8Array, limits: { textMax: number }) => Promise<Content>;
