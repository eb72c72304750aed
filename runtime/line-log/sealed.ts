/** A line log that nothing is appended to any more, compared with its mark without being opened. */
import { basename } from "node:path";
import { isCompleteLine, linesOf, readLine, sizeOf } from "../durable/durable.ts";
import { restored } from "../marks/marks.ts";
import {
  chained,
  chainText,
  faultOf,
  type LogDamage,
  type LogState,
  type MarkKeeping,
  placeOf,
} from "./mark.ts";

/**
 * What is wrong with it, by its head and its size; its lines are compared when it is inspected. One that has no mark yet
 * is marked as it stands, and so is one that the operator accepts; where it is gone, its mark goes.
 */
export async function checkSealedLog(
  path: string,
  { marks, adopted }: MarkKeeping,
): Promise<LogDamage | undefined> {
  const name = basename(path);
  const mark = marks.get(name);
  const size = await sizeOf(path);
  const logId = await idOf(path);
  const problem = faultOf(mark, { size, logId, damagedLines: 0 });
  const place = placeOf(path);
  const isAccepted = problem !== undefined && adopted(place, problem);
  if (problem !== undefined && !isAccepted) return { place, problem };
  if (size === undefined) marks.remove(name);
  else if (isAccepted || mark === undefined || mark.restored === restored.restored)
    marks.set(name, { ...(await stateOf(path)) });
  return undefined;
}

/** Undefined when there is none, null when the head cannot be read. */
async function idOf(path: string): Promise<string | undefined | null> {
  for await (const line of linesOf(path)) {
    const { reason, value } = isCompleteLine(line) ? readLine(line.bytes) : { reason: "form" };
    return reason === undefined ? (value as { log_id?: string }).log_id : null;
  }
  return undefined;
}

async function stateOf(path: string): Promise<LogState> {
  let bytes = 0;
  let chain = 0n;
  for await (const line of linesOf(path)) {
    if (!isCompleteLine(line)) break;
    bytes += line.bytes.length;
    chain = chained(chain, line.bytes);
  }
  const log_id = await idOf(path);
  return { ...(log_id && { log_id }), bytes, chain: chainText(chain) };
}
