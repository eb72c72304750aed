/** Suggestions for a name that does not exist: what may have been meant. */

const hintsMax = 3;
const namesMax = 10_000;
/** Pairs of letters that are compared in all: a hint is worth a few milliseconds. */
const comparedMax = 2_000_000;

/** Names a few letters away, or that begin with the one given. */
export function suggestionsFor(name: string, names: readonly string[]): string[] {
  const lower = name.toLowerCase();
  const far = Math.max(2, Math.floor(lower.length / 3));
  let compared = 0;
  const within = ({ length }: string) => {
    compared += lower.length * length;
    return compared <= comparedMax;
  };
  return names
    .slice(0, namesMax)
    .filter(within)
    .map((candidate) => ({ candidate, away: away(lower, candidate.toLowerCase(), far) }))
    .filter(({ away }) => away <= far)
    .sort((left, right) => left.away - right.away)
    .slice(0, hintsMax)
    .map(({ candidate }) => candidate);
}

/** Levenshtein distance, or 1 for a name that continues the one given; more than `most` is just more. */
function away(left: string, right: string, most: number): number {
  if (left.length > 2 && right.startsWith(left)) return 1;
  if (Math.abs(left.length - right.length) > most) return most + 1;
  let row = Array.from({ length: right.length + 1 }, (_, at) => at);
  for (let i = 1; i <= left.length; i++) {
    const next = [i];
    for (let j = 1; j <= right.length; j++) {
      const swap = (row[j - 1] ?? 0) + (left[i - 1] === right[j - 1] ? 0 : 1);
      next.push(Math.min(swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[right.length] ?? 0;
}
