/** How near two paths are. */

export type PathNearness = "file" | "name" | "companion" | "directory" | "none";

const segments = (path: string): string[] =>
  path
    .replaceAll("\\", "/")
    .split("/")
    .filter((part) => part !== "" && part !== ".");

/** `live-index.test.ts` and `live-index.ts` are companions: the same but for what tells tests, stories and types apart. */
const stemOf = (name: string): string =>
  name.replace(/\.[^.]+$/, "").replace(/[._-](test|tests|spec|stories|bench|d|types)$|^test_/, "");

/**
 * `file`: the same path, or one ends with the whole other one of at least two parts; `name`: the other is a bare name;
 * `companion`: a test or the like of the same file; `directory`: neighbours.
 */
export function pathNearness(focus: string, path: string): PathNearness {
  const [left, right] = [segments(focus), segments(path)];
  const [short, long] = left.length <= right.length ? [left, right] : [right, left];
  if (short.length === 0) return "none";
  const ends = short.every((part, at) => part === long[long.length - short.length + at]);
  if (ends) return short.length > 1 || long.length === 1 ? "file" : "name";
  const isCompanion = stemOf(left.at(-1) ?? "") === stemOf(right.at(-1) ?? "");
  const isNeighbour = left.slice(0, -1).join("/") === right.slice(0, -1).join("/") && left.length > 1;
  if (isCompanion && (isNeighbour || hasSharedFolder(left, right))) return "companion";
  return isNeighbour ? "directory" : "none";
}

/** `workers/a/x.ts` and `tests/workers/a/x.test.ts`: trees of tests mirror the source. */
const hasSharedFolder = (left: string[], right: string[]): boolean =>
  left.at(-2) !== undefined && left.at(-2) === right.at(-2);
