/** Truncation of answers, so that they fit an agent's context: what does not fit is left out, and counted. */
import { fail } from "../../../runtime/errors/errors.ts";

/** Of the text of one answer: some 8,000 tokens; Claude Code warns above 10,000 and refuses above 25,000. */
export const textCharsMax = 24_000;
/** Of the structured content of one answer, as JSON. */
export const jsonCharsMax = 60_000;

interface Truncated<T> {
  kept: T[];
  lines: string[];
  omitted: number;
}

interface TruncateOptions<T> {
  /** The item as a line of the text. */
  line: (item: T, at: number) => string;
  /** What the caller can do when not even one item fits. */
  instead: string;
  /** The share of the limit, where the answer holds other things too. */
  share?: number;
}

/** As many of the first items as fit, with their lines. Throws `too_large` when there are some and none fits. */
export function truncated<T>(
  items: readonly T[],
  { line, instead, share }: TruncateOptions<T>,
): Truncated<T> {
  const result = truncatedOrEmpty(items, { line, ...(share !== undefined && { share }) });
  if (result.kept.length > 0 || items.length === 0) return result;
  throw fail(
    "too_large",
    `the first of ${items.length} entries alone is larger than an answer may be: ${instead}`,
  );
}

/** As many of the first items as fit, possibly none. */
export function truncatedOrEmpty<T>(
  items: readonly T[],
  { line = () => "", share = 1 }: Partial<Omit<TruncateOptions<T>, "instead">>,
): Truncated<T> {
  const kept: T[] = [];
  const lines: string[] = [];
  let text = 0;
  let json = 0;
  for (const [at, item] of items.entries()) {
    const written = line(item, at);
    text += written.length + 1;
    json += JSON.stringify(item).length + 1;
    if (text > textCharsMax * share || json > jsonCharsMax * share) break;
    kept.push(item);
    lines.push(written);
  }
  return { kept, lines, omitted: items.length - kept.length };
}
