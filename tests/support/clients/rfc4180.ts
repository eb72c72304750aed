/**
 * A strict CSV reader for tests, written from RFC 4180 alone and sharing nothing with the product: a field is text,
 * or null when it is empty and was not quoted. It throws on anything the RFC does not allow.
 */
export interface Rfc4180Options {
  delimiter?: string;
  quote?: string;
  /** Skip lines without any character, as files of several columns are read. */
  skipBlank?: boolean;
}

export function rfc4180(
  text: string,
  { delimiter = ",", quote = '"', skipBlank = true }: Rfc4180Options = {},
): (string | null)[][] {
  const rows: (string | null)[][] = [];
  let row: (string | null)[] = [];
  let field = "";
  let quoted = false;
  let at = 0;
  const lineEnd = () => (text.startsWith("\r\n", at) ? 2 : text[at] === "\n" || text[at] === "\r" ? 1 : 0);
  const endField = () => {
    row.push(field === "" && !quoted ? null : field);
    field = "";
    quoted = false;
  };
  const endRow = () => {
    endField();
    if (!(skipBlank && row.length === 1 && row[0] === null)) rows.push(row);
    row = [];
  };
  while (at < text.length) {
    if (quote !== "" && text[at] === quote && field === "" && !quoted) {
      quoted = true;
      for (let from = at + 1; ; from = at + 2) {
        at = text.indexOf(quote, from);
        if (at < 0) throw new Error("a quoted field is not closed");
        field += text.slice(from, at);
        if (text[at + 1] !== quote) break;
        field += quote;
      }
      at += 1;
      if (at < text.length && lineEnd() === 0 && !text.startsWith(delimiter, at))
        throw new Error("text after a quoted field");
    }
    if (at >= text.length) break;
    const end = lineEnd();
    if (end > 0) {
      endRow();
      at += end;
    } else if (text.startsWith(delimiter, at)) {
      endField();
      at += delimiter.length;
    } else field += text[at++];
  }
  if (field !== "" || quoted || row.length > 0) endRow();
  return rows;
}
