/** Answers are bounded, so that they fit an agent's context: what does not fit is left out, and counted. */
import { fail } from "../../runtime/errors/errors.ts";

/** Of the text of one answer: some 8,000 tokens; Claude Code warns above 10,000 and refuses above 25,000. */
export const textCharsMax = 24_000;
/** Of the structured content of one answer, as JSON. */
export const jsonCharsMax = 60_000;

export interface Fitted<T> {
  kept: T[];
  lines: string[];
  omitted: number;
}

export interface Fit<T> {
  /** The item as a line of the text. */
  line: (item: T, at: number) => string;
  /** What a caller may do when not even one item fits. */
  instead: string;
  /** A part of the whole bound, where other things stand beside. */
  share?: number;
}

/** As many of the first items as fit, with their lines. Throws `too_large` when there are some and none fits. */
export function fitting<T>(items: readonly T[], { line, instead, share }: Fit<T>): Fitted<T> {
  const fitted = fittingOrNone(items, { line, ...(share !== undefined && { share }) });
  if (fitted.kept.length > 0 || items.length === 0) return fitted;
  throw fail(
    "too_large",
    `the first of ${items.length} entries alone is larger than an answer may be: ${instead}`,
  );
}

/** As many of the first items as fit, be it none; beside things that matter more. */
export function fittingOrNone<T>(
  items: readonly T[],
  { line = () => "", share = 1 }: Partial<Omit<Fit<T>, "instead">>,
): Fitted<T> {
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
