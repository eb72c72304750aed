/** Marks for what a test opens without its service: real ones, where the service would have them. */
import { afterAll } from "bun:test";
import { basename, dirname } from "node:path";
import type { MarkKeeping } from "../../../runtime/line-log/mark.ts";
import { type Marks, markRestored, openMarks } from "../../../runtime/marks/marks.ts";
import { systemClock } from "../../../runtime/scheduling/clock.ts";

const opened: Marks[] = [];
afterAll(async () => {
  for (const marks of opened.splice(0)) await marks.close();
});

/** Of a service's directory: read anew at each call, as a start does after a kill. */
export async function keptIn(
  directory: string,
  adopted: (place: string) => boolean = () => false,
): Promise<MarkKeeping> {
  const place = { dataDir: dirname(directory), service: basename(directory) };
  const marks = await openMarks({ ...place, clock: systemClock, log: { error: () => {} } });
  opened.push(marks);
  return { marks, adopted };
}

/** From now on the files of a service's directory are what they are, as after a restore. */
export const takeAsTheyAre = (directory: string, names: readonly string[]): Promise<void> =>
  markRestored(dirname(directory), basename(directory), names);
