/** Parameters with their types: `$1` becomes `CAST($1 AS DATE)`, for queryd is given texts. */
import { replaced, tokens } from "../../../runtime/sql/sql.ts";

export interface Casts {
  sql: string;
  /** The character in the client's text for one in this, both from 0. */
  placeIn: (at: number) => number;
}

interface Span {
  number: number;
  start: number;
  end: number;
}

/** `types` are those of the parameters by number, undefined where a text may be any; the highest number there is. */
export function withCasts(sql: string, types: readonly (string | undefined)[]): Casts {
  const spans = parametersIn(sql).filter(({ number }) => types[number - 1] !== undefined);
  if (spans.length === 0) return { sql, placeIn: (at) => at };
  const parts: string[] = [];
  const places: { from: number; to: number; length: number; given: number }[] = [];
  let at = 0;
  let length = 0;
  for (const { number, start, end } of spans) {
    const cast = `CAST($${number} AS ${types[number - 1]})`;
    parts.push(sql.slice(at, start), cast);
    length += start - at;
    places.push({ from: length, to: start, length: cast.length, given: end - start });
    length += cast.length;
    at = end;
  }
  parts.push(sql.slice(at));
  const placeIn = (place: number) => {
    const before = places.findLast(({ from }) => from <= place);
    if (!before) return place;
    const inside = place - before.from;
    return inside < before.length ? before.to : before.to + before.given + inside - before.length;
  };
  return { sql: parts.join(""), placeIn };
}

function parametersIn(sql: string): Span[] {
  const spans: Span[] = [];
  let dollar: number | undefined;
  for (const { text, start, end } of tokens(sql)) {
    if (text === "$") dollar = start;
    else {
      if (dollar === start - 1 && /^\d+$/.test(sql.slice(start, end)))
        spans.push({ number: Number(sql.slice(start, end)), start: dollar, end });
      dollar = undefined;
    }
  }
  return spans;
}

/** The highest number of a parameter in the statement, 0 where it has none. */
export const parameterCount = (sql: string): number =>
  parametersIn(sql).reduce((most, { number }) => Math.max(most, number), 0);

/**
 * `id = ANY ($1)` as `id IN ($1)`, and `<> ALL` as `NOT IN`: only so does DuckDB say what the members of a list without a type
 * are. `lists` are the numbers of such parameters. For describing alone.
 */
export function withMembers(
  sql: string,
  isOpen: (number: number) => boolean,
): { sql: string; lists: ReadonlySet<number> } {
  const all = [...tokens(sql)];
  const lists = new Set<number>();
  const places: { start: number; end: number; text: string }[] = [];
  for (const { number, start, end } of parametersIn(sql)) {
    const at = all.findIndex((token) => token.start === start);
    const [second, first, word, open] = [all[at - 4], all[at - 3], all[at - 2], all[at - 1]];
    const close = all.find((token) => token.start >= end);
    const isCall = open?.text === "(" && close?.text === ")" && first !== undefined;
    const isAny = first?.text === "=" && !/[<>!]/.test(second?.end === first.start ? second.text : "");
    const isNone = `${second?.text}${first?.text}`;
    const operator =
      isAny && /^(ANY|SOME)$/.test(word?.text ?? "")
        ? { from: first.start, text: "IN" }
        : /^(<>|!=)$/.test(isNone) && word?.text === "ALL"
          ? { from: second?.start ?? 0, text: "NOT IN" }
          : undefined;
    if (!isCall || !operator || !isOpen(number)) continue;
    lists.add(number);
    places.push({ start: operator.from, end: close.end, text: `${operator.text} ($${number})` });
  }
  return { sql: replaced(sql, places, ({ text }) => text), lists };
}
