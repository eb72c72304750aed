/** Splits the streamed answer of `POST /sql?shape=full` into rows as it arrives, without buffering it. */

interface ResultHead {
  columns: { name: string; type: string }[];
}

interface ResultTail {
  row_count: number;
  truncated: boolean;
  elapsed_ms: number;
  query_id: string;
}

export interface RowScanner {
  /** Takes the next piece of the answer and gives the rows that ended in it, each as its JSON text. */
  push: (piece: string) => string[];
  /** What stands before the rows; undefined until it has come. */
  head: () => ResultHead | undefined;
  /** What stands behind the rows. Throws when the answer did not come to its end. */
  tail: () => ResultTail;
}

// Within a JSON string every quote has a backslash before it, so this can only be the end of the columns.
const beforeRows = '],"rows":[';
const quote = 0x22;
const backslash = 0x5c;

/** Reads `{"columns":[…],"rows":[{…},{…}],"row_count":…,…}` in pieces of any size. */
export function createRowScanner(): RowScanner {
  let phase: "head" | "rows" | "tail" = "head";
  let head: ResultHead | undefined;
  let buffer = "";
  let at = 0;
  let depth = 0;
  let inString = false;

  const readHead = (): void => {
    const end = buffer.indexOf(beforeRows);
    if (end < 0) return;
    head = JSON.parse(`${buffer.slice(0, end)}]}`);
    buffer = buffer.slice(end + beforeRows.length);
    phase = "rows";
  };
  /** Moves over one character; true when it ended a row. */
  const step = (code: number): boolean => {
    if (inString) {
      if (code === backslash) at++;
      else if (code === quote) inString = false;
    } else if (code === quote) inString = true;
    else if (code === 0x7b || code === 0x5b) depth++;
    else if (code === 0x7d || code === 0x5d) {
      depth--;
      return depth === 0;
    }
    return false;
  };
  const readRows = (): string[] => {
    const rows: string[] = [];
    let from = 0;
    for (; at < buffer.length; at++) {
      const code = buffer.charCodeAt(at);
      if (depth === 0 && code === 0x2c) from = at + 1;
      else if (depth === 0 && code === 0x5d) {
        phase = "tail";
        from = at + 1;
        break;
      } else if (step(code)) rows.push(buffer.slice(from, at + 1));
      if (depth === 0) from = Math.max(from, at + 1);
    }
    // A backslash at the very end has moved `at` one beyond: the character it guards is in the next piece.
    buffer = buffer.slice(from);
    at = phase === "tail" ? 0 : Math.max(at - from, 0);
    return rows;
  };

  return {
    push: (piece) => {
      buffer += piece;
      if (phase === "head") readHead();
      return phase === "rows" ? readRows() : [];
    },
    head: () => head,
    tail: () => {
      if (phase !== "tail" || !buffer.startsWith(",")) throw new Error("the result did not come to its end");
      return JSON.parse(`{${buffer.slice(1)}`);
    },
  };
}
