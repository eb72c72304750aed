/** JSON whose integers keep every digit: snapshot ids have 63 bits, and `JSON.parse` rounds those beyond 2^53 without a word. */

/** An id as Iceberg has them: a number where that holds it exactly, else a bigint. */
export type Id = number | bigint;

/** Parses as `JSON.parse`, but integers that a number cannot hold exactly become bigints. Throws `SyntaxError`. */
export function parseExact(text: string): unknown {
  // TypeScript does not know yet that a reviver is given what stands in the text (ECMAScript 2026).
  const revive = (_: string, value: unknown, { source }: { source?: string }) =>
    typeof value === "number" &&
    !Number.isSafeInteger(value) &&
    source !== undefined &&
    /^-?\d+$/.test(source)
      ? BigInt(source)
      : value;
  return JSON.parse(text, revive as never);
}

/** TypeScript does not know it yet (ECMAScript 2026): text that goes into JSON as it is. */
const { rawJSON } = JSON as unknown as { rawJSON: (text: string) => unknown };

/** The inverse of `parseExact`: bigints are written digit by digit. */
export const exactText = (value: unknown): string =>
  JSON.stringify(value, (_, each) => (typeof each === "bigint" ? rawJSON(String(each)) : each));

/** Whether two ids are one, whatever holds them; none is one with none. */
export const sameId = (one: Id | null | undefined, other: Id | null | undefined): boolean =>
  String(one ?? "") === String(other ?? "");
