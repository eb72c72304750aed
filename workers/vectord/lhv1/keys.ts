/** Where the objects of an index are: all under `vectors/<name>/`. */

export const indexesPrefix = "vectors/";
export const indexPrefix = (name: string): string => `${indexesPrefix}${name}/`;
export const manifestKey = (name: string): string => `${indexPrefix(name)}manifest.lhv1`;

const incarnationPrefix = (name: string, incarnation: string): string =>
  `${indexPrefix(name)}${incarnation}/`;
export const segmentsPrefix = (name: string, incarnation: string): string =>
  `${incarnationPrefix(name, incarnation)}segments/`;

/** Digits of a sequence in a key: enough for every number there is, so that keys sort as sequences do. */
const sequenceDigits = 20;

export const segmentKey = (name: string, incarnation: string, sequence: number): string =>
  `${segmentsPrefix(name, incarnation)}${String(sequence).padStart(sequenceDigits, "0")}.lhv1`;
export const checkpointKey = (name: string, incarnation: string, id: string): string =>
  `${incarnationPrefix(name, incarnation)}checkpoints/${id}.lhv1`;
export const engineKey = (name: string, incarnation: string, id: string): string =>
  `${incarnationPrefix(name, incarnation)}checkpoints/${id}.engine`;

export const isUnder = (name: string, key: string): boolean => key.startsWith(indexPrefix(name));

/** Incarnation and sequence of a segment of the index; undefined for every other key. */
export function segmentOf(name: string, key: string): { incarnation: string; sequence: number } | undefined {
  if (!isUnder(name, key)) return undefined;
  const [incarnation = "", folder, file = "", more] = key.slice(indexPrefix(name).length).split("/");
  const digits = /^(\d{20})\.lhv1$/.exec(file)?.[1];
  if (folder !== "segments" || digits === undefined || more !== undefined) return undefined;
  return { incarnation, sequence: Number(digits) };
}
