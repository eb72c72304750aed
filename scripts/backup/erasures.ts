/** What was erased since a point was taken: a restore would bring it back. The newest point that can be read knows. */
import { readLineLog } from "../../runtime/line-log/line-log.ts";
import { BackupError, type Repository } from "./repository.ts";

/** As the gateway writes it down, of which this is needed here. */
interface Erasure {
  id: string;
  at: string;
  who: string;
  why: string;
  state: "open" | "done";
}

/** Erasures shown in a message; more are counted. */
const shownMax = 5;

/** Those that are not complete in the point, oldest first. */
async function erasedSince(repository: Repository, point: string): Promise<Erasure[]> {
  const then = await erasuresIn(repository, point);
  for (const name of (await repository.points()).reverse()) {
    const known = await erasuresIn(repository, name).catch(() => undefined);
    if (known) return [...known.values()].filter(({ id }) => then.get(id)?.state !== "done");
  }
  return [];
}

/** By id; the newest line of each counts. */
async function erasuresIn(repository: Repository, point: string): Promise<Map<string, Erasure>> {
  const { files } = await repository.read(point);
  const log = files.find(({ service, path }) => service === "gateway" && path === "erasures.log");
  const erasures = new Map<string, Erasure>();
  if (log)
    for await (const erasure of readLineLog<Erasure>(repository.blobPath(log.sha256)))
      erasures.set(erasure.id, erasure);
  return erasures;
}

/** Throws a BackupError for a point that holds what was erased since: whom it is about nobody has kept, so that it cannot be erased again here. */
export async function refuseErased(repository: Repository, point: string): Promise<void> {
  const erased = await erasedSince(repository, point);
  if (erased.length === 0) return;
  const lines = erased.slice(0, shownMax).map(({ at, who, why }) => `\n  ${at}, asked for by ${who}: ${why}`);
  const more = erased.length > shownMax ? `\n  and ${erased.length - shownMax} more` : "";
  throw new BackupError(
    `point ${point} was taken before ${erased.length === 1 ? "an erasure was" : `${erased.length} erasures were`} complete, and would bring back what was erased:${lines.join("")}${more}\n` +
      "Restore a later point; or restore this one with --with-erased, and erase them again by POST /v1/erase before anybody uses it",
  );
}
