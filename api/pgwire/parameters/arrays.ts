/** PostgreSQL's arrays as lists. */

export type Nested = string | null | readonly Nested[];

/** Dimensions of an array in PostgreSQL (`MAXDIM`). */
const depthMax = 6;

/** `{1,NULL,"a b",{…}}`. Throws SyntaxError. */
export function arrayFromText(text: string, itemOf: (text: string) => string): Nested {
  // `[0:2]={…}` says where the indexes begin, which lists do not.
  const body = text.replace(/^\s*(\[[-\d]+:[-\d]+\])+\s*=\s*/, "").trim();
  let at = 0;
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    const found = pattern.exec(body);
    if (found) at += found[0].length;
    return found;
  };
  const list = (depth: number): Nested[] => {
    if (depth > depthMax || !take(/\s*\{\s*/y)) throw new SyntaxError("an array");
    const items: Nested[] = [];
    if (take(/\}/y)) return items;
    do items.push(item(depth));
    while (take(/\s*,\s*/y));
    if (!take(/\s*\}/y)) throw new SyntaxError("an array");
    return items;
  };
  const item = (depth: number): Nested => {
    if (body[at] === "{") return list(depth + 1);
    const quoted = take(/"((?:[^"\\]|\\.)*)"/sy);
    if (quoted) return itemOf((quoted[1] ?? "").replace(/\\(.)/gs, "$1"));
    const plain = take(/[^,{}"]+/y)?.[0].trim();
    if (plain === undefined || plain === "") throw new SyntaxError("an array");
    return /^null$/i.test(plain) ? null : itemOf(plain.replace(/\\(.)/gs, "$1"));
  };
  const items = list(1);
  if (at < body.length) throw new SyntaxError("an array");
  return items;
}

/** Throws RangeError where the bytes end early. */
export function arrayFromBinary(bytes: Buffer, itemOf: (bytes: Buffer) => string): Nested {
  const dimensions = bytes.readInt32BE(0);
  if (dimensions < 0 || dimensions > depthMax) throw new RangeError("dimensions");
  let at = 12 + 8 * dimensions;
  const lengths = Array.from({ length: dimensions }, (_, dimension) => bytes.readInt32BE(12 + 8 * dimension));
  const list = (dimension: number): Nested[] => {
    const items: Nested[] = [];
    for (let count = 0; count < (lengths[dimension] ?? 0); count++)
      items.push(dimension === dimensions - 1 ? item() : list(dimension + 1));
    return items;
  };
  const item = (): Nested => {
    const length = bytes.readInt32BE(at);
    at += 4 + Math.max(0, length);
    if (at > bytes.length) throw new RangeError("items");
    return length < 0 ? null : itemOf(bytes.subarray(at - length, at));
  };
  return dimensions === 0 ? [] : list(0);
}
