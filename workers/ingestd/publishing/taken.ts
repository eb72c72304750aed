/** The file that a watch takes: a row by which it is not taken again, in the very commit of its rows. */
import { quoteText } from "../../../runtime/sql/sql.ts";
import { latestOf } from "../changes/changes.ts";
import { type TakenFile, takenSuffix } from "../jobs/jobs.ts";
import { type Rejected, registrationOf, storeBeside } from "../loading/loading.ts";
import type { Work } from "./rejects.ts";

type Session = Parameters<typeof storeBeside>[0];

const none: Rejected = { objects: [], warnings: [] };

export async function storeTaken(
  session: Session,
  { task, parts: { deps }, arrival: { taken }, newRejects, version }: Work & { version: number },
): Promise<Rejected> {
  if (!taken) return none;
  const { requestId, job } = task;
  const name = task.name + takenSuffix;
  const before = await latestOf(name, deps, requestId);
  const row = takenRow(taken, { job: job.id, version, now: deps.clock.now() });
  const place = { name, before, deps, requestId, newTarget: newRejects };
  const { objects } = await storeBeside(session, row, { ...place, count: 1, digest: taken.sha256 });
  const registration = { ...registrationOf(name, "append", objects, before), version: taken.next };
  return { registration, objects, warnings: [] };
}

function takenRow(
  { watch, file, bytes, modified, sha256 }: TakenFile,
  { job, version, now }: { job: string; version: number; now: number },
): string {
  const texts = { watch, file, modified, sha256, job };
  const cells = [
    ...Object.entries(texts).map(([column, text]) => `${quoteText(text)}::VARCHAR AS ${column}`),
    `${bytes}::BIGINT AS bytes`,
    `${version}::BIGINT AS version`,
    `make_timestamptz(${now * 1000}) AS taken_at`,
  ];
  return `SELECT ${cells.join(", ")}`;
}
