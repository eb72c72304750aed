/** What a service is given when it is to forget a person or a thing, and what it answers. */

/** The cells of a column that hold exactly this value. */
export interface Cell {
  column: string;
  equals: string | number | boolean;
}

/** Whom or what it is about: texts as they were given, and how they are found, and cells of tables. */
export interface Subject {
  /** For RE2 and JavaScript alike, to be matched without regard to case in NFC text; absent where only cells are meant. */
  pattern?: string;
  cells: readonly Cell[];
  /** Whether a text holds it. */
  isIn: (text: string) => boolean;
  /** Whether any text, number or name of a field in a JSON value holds it. */
  isMentioned: (value: unknown) => boolean;
  /**
   * Whether bytes that are no text on their own hold it, in UTF-8 and whatever the case of ASCII letters; also as a part
   * of a longer word, as words end nowhere there.
   */
  isInBytes: (chunks: AsyncIterable<Uint8Array>) => Promise<boolean>;
}

export interface Erasing {
  subject: Subject;
  who: string;
  why: string;
  /** Only looks, and says what would go. */
  dryRun: boolean;
  requestId: string;
  signal: AbortSignal;
}

/** What was removed, or would be, and what cannot be. */
export interface ErasureReport {
  removed: { place: string; what: string; count: number; names?: string[] }[];
  left: { place: string; why: string; remedy: string }[];
}
