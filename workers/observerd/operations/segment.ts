/** The segments of the log: their names and numbers. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { readLineLog } from "../../../runtime/line-log/line-log.ts";
import type { Line } from "./line.ts";

export const segmentFormat = { format: "lakehouse.operations", version: 1 } as const;

const digits = 8;
/** `operations-00000012.log`. */
export const segmentName = (number: number): string =>
  `operations-${String(number).padStart(digits, "0")}.log`;
export const segmentPath = (directory: string, number: number): string =>
  join(directory, segmentName(number));

/** The number of a file of operations; NaN for any other name. */
export const numberOf = (name: string): number =>
  Number(/^operations-(\d{8})\.log$/.exec(name)?.[1] ?? Number.NaN);

/** The numbers of the files there are, ascending. */
export async function segmentNumbers(directory: string): Promise<number[]> {
  const names = await readdir(directory);
  return names
    .map(numberOf)
    .filter(Number.isInteger)
    .sort((a, b) => a - b);
}

/** Whether the file begins with a readable checkpoint. */
export async function hasBase(path: string): Promise<boolean> {
  let damaged = false;
  const onDamaged = () => {
    damaged = true;
  };
  for await (const line of readLineLog<Line>(path, { onDamaged })) return !damaged && line.base !== undefined;
  return false;
}
