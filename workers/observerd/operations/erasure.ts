/** Operations that name a subject, without what was said in them: that they happened stays, so that all totals hold. */
import type { Subject } from "../../../runtime/contract/contract.ts";
import { logDamageOf, openLineLog, readLineLog } from "../../../runtime/line-log/line-log.ts";
import type { Operation } from "../contract.ts";
import { type Line, segmentFormat, segmentName, segmentPath } from "./line.ts";
import { type Current, latestOperations, type OperationsLogOptions } from "./recovery.ts";

/** What stands where a name was. */
const erasedName = "erased";

/** The operation as it was, or without all that it says. */
export function redacted(operation: Operation, subject: Subject): Operation {
  if (!subject.isMentioned(Object.values(operation))) return operation;
  const { id, timestamp, source, endpoint, success, duration_ms } = operation;
  const named = (text: string) => (subject.isIn(text) ? erasedName : text);
  return { ...{ id, timestamp, success, duration_ms }, source: named(source), endpoint: named(endpoint) };
}

/** A line of the log likewise; clusters of failures that name the subject go. */
export function redactedLine(line: Line, subject: Subject): Line {
  const { base, operation, diagnosed, ...rest } = line;
  const isTold = diagnosed !== undefined && !subject.isIn(diagnosed.text);
  return {
    ...(base && { base: redactedBase(base, subject) }),
    ...(operation && { operation: redacted(operation, subject) }),
    ...(isTold && { diagnosed }),
    ...rest,
  };
}

function redactedBase(base: NonNullable<Line["base"]>, subject: Subject): NonNullable<Line["base"]> {
  const { stats, clusters, marks } = base;
  const sources = new Map<string, number>();
  for (const [source, count] of Object.entries(stats.by_source)) {
    const name = subject.isIn(source) ? erasedName : source;
    sources.set(name, (sources.get(name) ?? 0) + count);
  }
  const kept = clusters.clusters.filter((cluster) => !subject.isMentioned(Object.values(cluster)));
  return {
    stats: {
      ...stats,
      by_source: Object.fromEntries(sources),
      recent_scenario_ops: stats.recent_scenario_ops.map((operation) => redacted(operation, subject)),
    },
    clusters: { clusters: kept, dropped: clusters.dropped + clusters.clusters.length - kept.length },
    marks,
  };
}

interface Segments {
  sealed: readonly number[];
  current: Current;
}

/**
 * Writes every segment anew, the oldest first, then reads the state from them as a start does. Nothing may be appended
 * meanwhile. Gives the files that cannot be written anew, as they are not what was acknowledged.
 */
export async function eraseFromSegments(
  { sealed, current }: Segments,
  subject: Subject,
  { directory, kept, state, ringOperations }: OperationsLogOptions,
): Promise<string[]> {
  const change = (line: Line) => redactedLine(line, subject);
  const left: string[] = [];
  for (const number of sealed) {
    if (!(await isMentionedIn(segmentPath(directory, number), subject))) continue;
    try {
      const options = { path: segmentPath(directory, number), ...segmentFormat, kept, replay: () => {} };
      const log = await openLineLog<Line>(options);
      await log.amend(change, () => {}).finally(log.close);
    } catch (cause) {
      if (!logDamageOf(cause)) throw cause;
      left.push(segmentName(number));
    }
  }
  await current.log.amend(change, () => {});
  const older = await latestOperations(sealed, { directory, ringOperations }, []);
  state.forgetRing();
  for await (const line of readLineLog<Line>(segmentPath(directory, current.number))) {
    state.apply(line);
    if (line.base) state.remember(older, line.base.stats.total);
    if (line.base) current.baseBytes = Buffer.byteLength(JSON.stringify(line));
  }
  return left;
}

async function isMentionedIn(path: string, subject: Subject): Promise<boolean> {
  let isDamaged = false;
  const onDamaged = () => {
    isDamaged = true;
  };
  for await (const line of readLineLog<Line>(path, { onDamaged }))
    if (!Bun.deepEquals(redactedLine(line, subject), line)) return true;
  return isDamaged;
}
