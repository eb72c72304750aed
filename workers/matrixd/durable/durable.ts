/** All that matrixd keeps, as operators handle it: its logs, its corpora, and what both refer to. */
import { join } from "node:path";
import type { ClientOf } from "../../../runtime/contract/contract.ts";
import { bothSnapshots, type Durable, holdFiles, type Inspected } from "../../../runtime/durable/durable.ts";
import { ServiceError } from "../../../runtime/errors/errors.ts";
import {
  closedLog,
  damage,
  inspectLineLog,
  type LineLog,
  logDamageOf,
  openToInspect,
} from "../../../runtime/line-log/line-log.ts";
import type { Pathwayd } from "../../pathwayd/contract.ts";
import { type Jobs, jobsFormat, jobsName } from "../jobs/jobs.ts";
import {
  type PlaybookEntry,
  type Playbooks,
  playbooksFormat,
  playbooksName,
} from "../playbooks/playbooks.ts";
import { type Profiles, profilesFormat, profilesName } from "../profiles/profiles.ts";
import { type SnapshotParts, snapshotCorpora } from "./corpora-copies.ts";
import { type InspectParts, inspectCorpora } from "./corpora-inspection.ts";

export { clearCopies } from "./corpora-copies.ts";

interface DurableParts extends SnapshotParts, InspectParts {
  jobs: Pick<Jobs, "atRest">;
  playbooks: Pick<Playbooks, "atRest" | "all">;
  profiles: Pick<Profiles, "atRest">;
  pathwayd: Pick<ClientOf<Pathwayd>, "alive" | "get">;
}

interface KeptLog {
  file: string;
  format: string;
  version: number;
  atRest: LineLog<unknown>["atRest"];
  remedy: string;
}

const logsOf = ({ jobs, playbooks, profiles }: DurableParts): KeptLog[] => [
  {
    file: playbooksName,
    ...playbooksFormat,
    atRest: playbooks.atRest,
    remedy:
      'POST /v1/matrix/playbooks/consolidate with {"accept_damage": true}: it writes the log anew from memory. What /readyz calls damaged is not in memory either: to have it back, restore matrixd from a backup first',
  },
  {
    file: profilesName,
    ...profilesFormat,
    atRest: profiles.atRest,
    remedy:
      "change any profile, as by PUT /v1/matrix/profiles/<name> with what it is: that writes the log anew from memory",
  },
  {
    file: jobsName,
    ...jobsFormat,
    atRest: jobs.atRest,
    remedy:
      "nothing to mend: the state of one job is lost, and the line goes when the log is next written anew",
  },
];

/**
 * A snapshot fixes the logs before the corpora: what a playbook or a profile names is there, unless it was dropped. It has
 * to be taken before the one of storaged, which has the indexes: see `holdGeneration`.
 */
export function durableMatrix(parts: DurableParts): Durable {
  const { directory } = parts;
  const logs = logsOf(parts);
  return {
    snapshot: () =>
      logs.reduceRight(
        (after, { file, atRest }) =>
          () =>
            bothSnapshots(() => atRest(() => holdFiles(directory, [file, `${file}.damaged`])), after),
        () => snapshotCorpora(parts.entries(), parts),
      )(),
    inspect: async function* (signal) {
      for (const log of logs) yield* inspectLog(log, directory, signal);
      let unasked: ServiceError | undefined;
      for (const inspect of [inspectTraces, inspectCorpora])
        try {
          yield* inspect(parts, signal);
        } catch (cause) {
          if (!(cause instanceof ServiceError) || signal.aborted) throw cause;
          unasked ??= cause;
        }
      // That is no damage: what could be inspected was, and the rest is reported as not checked.
      if (unasked) throw unasked;
    },
  };
}

async function* inspectLog(
  { remedy, atRest, ...log }: KeptLog,
  directory: string,
  signal: AbortSignal,
): AsyncGenerator<Inspected> {
  try {
    const opened = await atRest((state) => openToInspect(join(directory, log.file), state));
    yield* inspectLineLog({ ...log, directory, service: "matrixd", opened, remedy: () => remedy, signal });
  } catch (cause) {
    const refused = logDamageOf(cause);
    if (!refused) throw cause;
    yield closedLog(refused);
  }
}

/** As pathwayd takes them at once. */
const uidsMax = 10_000;

/** Throws when pathwayd cannot be asked. A playbook whose trace is not there is never shown; one whose trace is retired is silent, and that is right. */
async function* inspectTraces(
  { playbooks, pathwayd }: Pick<DurableParts, "playbooks" | "pathwayd">,
  signal: AbortSignal,
): AsyncGenerator<Inspected> {
  const byTrace = new Map<string, PlaybookEntry["playbook"][]>();
  for (const { playbook } of allOf(playbooks)) {
    const { trace_uid: uid } = playbook;
    if (uid !== undefined) byTrace.set(uid, [...(byTrace.get(uid) ?? []), playbook]);
  }
  const uids = [...byTrace.keys()];
  const of = "traces of playbooks";
  for (let from = 0; from < uids.length; from += uidsMax) {
    yield { progress: { done: from, total: uids.length, of } };
    const some = uids.slice(from, from + uidsMax);
    const alive = new Set((await pathwayd.alive({ uids: some }, { signal })).alive);
    for (const uid of some) {
      if (alive.has(uid) || (await isThere(pathwayd, uid, signal))) continue;
      for (const { playbook_id: id } of byTrace.get(uid) ?? [])
        yield damage(
          `matrixd/${playbooksName} playbook ${id}`,
          `it came from trace '${uid}', which pathwayd does not have: it is never shown`,
          `restore pathwayd and matrixd from one backup, or DELETE /v1/matrix/playbooks/${id}`,
        );
    }
  }
}

/** None where their log was refused: that is reported already. */
function allOf({ all }: Pick<Playbooks, "all">): Iterable<PlaybookEntry> {
  try {
    return all();
  } catch (cause) {
    if (logDamageOf(cause)) return [];
    throw cause;
  }
}

async function isThere(
  pathwayd: Pick<ClientOf<Pathwayd>, "get">,
  uid: string,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    await pathwayd.get({ uid }, { signal });
    return true;
  } catch (cause) {
    if (cause instanceof ServiceError && cause.type === "not_found") return false;
    throw cause;
  }
}
