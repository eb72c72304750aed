/** One page of items: bounded in number and in bytes. */
import type { Head } from "../traces/traces.ts";

/** About the largest answer, in bytes of JSON; one item goes out whatever its size. */
const pageBytesMax = 8 * 1024 * 1024;

/** The items after the first `skip` that fit; `more` says whether any follow. */
export function takePage<T>(
  items: Iterable<T>,
  { skip, size, bytesOf }: { skip: number; size: number; bytesOf: (item: T) => number },
): { page: T[]; more: boolean } {
  const page: T[] = [];
  let passed = 0;
  let bytes = 0;
  for (const item of items) {
    if (passed++ < skip) continue;
    bytes += bytesOf(item);
    if (page.length === size || (page.length > 0 && bytes > pageBytesMax)) return { page, more: true };
    page.push(item);
  }
  return { page, more: false };
}

/** About the JSON of the trace, in bytes. */
export const bytesOf = ({ content, tags, embedding = [] }: Head): number =>
  JSON.stringify(content).length + tags.join().length + embedding.length * 20 + 300;
