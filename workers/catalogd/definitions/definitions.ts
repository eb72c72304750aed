/**
 * Saved queries and views, durable: a log of their versions. What SQL is right queryd decides, before it is kept here.
 * One that is not what was acknowledged stays closed, and datasets are served all the same.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { Mutex } from "async-mutex";
import type { Erasing, ErasureReport, VerbsOf } from "../../../runtime/contract/contract.ts";
import { check } from "../../../runtime/contract/contract.ts";
import type { Inspected } from "../../../runtime/durable/durable.ts";
import { removedAt } from "../../../runtime/erasure/erasure.ts";
import { fail, ServiceError } from "../../../runtime/errors/errors.ts";
import {
  closedLog,
  inspectLineLog,
  type LineLog,
  logDamageOf,
  openLineLog,
  openToInspect,
} from "../../../runtime/line-log/line-log.ts";
import { timestamp } from "../../../runtime/scheduling/scheduling.ts";
import type { Deps } from "../../../runtime/service/service.ts";
import { describe } from "../../../runtime/telemetry/telemetry.ts";
import type { Catalogd } from "../contract.ts";
import { Defined } from "../schemas/schemas.ts";
import { checkName } from "../versions/versions.ts";
import {
  createDefinitions,
  type Definitions,
  isDefined,
  planDefinition,
  planDrop,
  type Record,
  withoutNamed,
} from "./state.ts";

export { namingViews } from "./view-names.ts";

export const definitionsName = "definitions.log";
const format = { format: "lakehouse.definitions", version: 1 } as const;

type DefinitionVerbs = Pick<VerbsOf<Catalogd>, "define" | "undefine" | "definition" | "definitions">;

export interface DefinitionStore {
  verbs: DefinitionVerbs;
  /** All views, and a text that is another one whenever they are others. Throws where they are closed. */
  views: () => { etag: string; views: Defined[] };
  /** The view that has the name, in whatever case. */
  viewOf: (name: string) => string | undefined;
  problems: () => string[];
  /** Versions that name a subject go from every byte, or are only counted. */
  erase: (erasing: Pick<Erasing, "subject" | "dryRun">) => Promise<ErasureReport>;
  /** Files that a backup takes, while nothing is written. */
  atRest: <R>(work: () => Promise<R>) => Promise<R>;
  inspect: (signal: AbortSignal) => AsyncGenerator<Inspected>;
  close: () => Promise<void>;
}

interface Parts extends Pick<Deps, "directory" | "marks" | "adopted" | "clock" | "log"> {
  /** The dataset that has the name, in whatever case. */
  takenBy: (name: string) => string | undefined;
  /** Called when views have changed. */
  announce: () => void;
}

/** Opens `<directory>/definitions.log`. Throws `corrupt` where a newer program wrote it. */
export async function openDefinitions(parts: Parts): Promise<DefinitionStore> {
  try {
    return await opened(parts);
  } catch (cause) {
    if (!(cause instanceof ServiceError) || !logDamageOf(cause)) throw cause;
    parts.log.error("saved queries and views stay closed", describe(cause));
    return closed(cause);
  }
}

function closed(why: ServiceError): DefinitionStore {
  const refuse = () => Promise.reject(why);
  return {
    verbs: { define: refuse, undefine: refuse, definition: refuse, definitions: refuse },
    views: () => ({ etag: "", views: [] }),
    viewOf: () => undefined,
    problems: () => [why.message],
    erase: refuse,
    atRest: refuse,
    inspect: async function* () {
      const refused = logDamageOf(why);
      if (refused) yield closedLog(refused);
    },
    close: async () => {},
  };
}

async function opened(parts: Parts): Promise<DefinitionStore> {
  const { directory, announce } = parts;
  const path = join(directory, definitionsName);
  const state = createDefinitions();
  let log: LineLog<Record> | undefined;
  // It is made by the first definition: most stores have none, and what is not there cannot be lost.
  const open = async () => {
    log ??= await openLog(parts, state);
    return log;
  };
  if (existsSync(path) || parts.marks.get(definitionsName) !== undefined) await open();
  const mutex = new Mutex();
  const change = (plan: () => Record): Promise<Record> =>
    mutex.runExclusive(async () => {
      const record = plan();
      if (record === state.latest(record.kind, record.name)) return record;
      await (await open()).append(record);
      state.put(record);
      if (record.kind === "view") announce();
      return record;
    });
  return {
    verbs: definitionVerbs(parts, state, change),
    views: () => {
      const views = state.all("view");
      return { etag: views.length === 0 ? "" : viewsEtag(views), views };
    },
    viewOf: (name) => state.spelling("view", name),
    problems: () => problemsOf(log),
    erase: ({ subject, dryRun }) =>
      mutex.runExclusive(async () => {
        const records = [...state.records()];
        const named = records.filter((record) => subject.isMentioned(Object.values(record)));
        const kept = withoutNamed(records, subject);
        if (!dryRun) await log?.forget(kept, () => state.replace(kept));
        if (!dryRun && named.some(({ kind }) => kind === "view")) announce();
        return removedAt(`catalogd/${definitionsName}`, "saved queries and views", named.length);
      }),
    atRest: async (work) => await (log ? log.atRest(work) : mutex.runExclusive(work)),
    inspect: async function* (signal) {
      if (!log) return;
      yield* inspectLineLog<Record>({
        ...{ directory, file: definitionsName, service: "catalogd", ...format, signal },
        opened: await log.atRest((at) => openToInspect(path, at)),
        check: checkRecord,
        remedy: () =>
          "restore catalogd from a backup, or save what the line held again: PUT /v1/queries/<name>, POST /v1/catalog/views",
      });
    },
    close: () => mutex.runExclusive(async () => await log?.close()),
  };
}

/** Reads what is there into `state`. */
async function openLog(parts: Parts, state: Definitions): Promise<LineLog<Record>> {
  let read = 0;
  const log = await openLineLog<Record>({
    path: join(parts.directory, definitionsName),
    ...format,
    kept: parts,
    replay: (record) => {
      checkRecord(record);
      state.put(record);
      read += 1;
    },
  });
  // Twice as many lines as are of use: the rest are versions that nobody can ask for any more.
  if (log.report.damagedCount === 0 && read > 1000 && read > 2 * [...state.records()].length)
    await log.rewrite(state.records());
  return log;
}

function problemsOf(log: LineLog<Record> | undefined): string[] {
  if (!log || log.report.damagedCount === 0) return [];
  const { damagedCount, damaged } = log.report;
  return [
    `catalogd/${definitionsName}: ${damagedCount} damaged lines, the first at byte ${damaged[0]?.offset}: versions of saved queries or views are missing`,
  ];
}

const viewsEtag = (views: readonly Defined[]): string =>
  Bun.hash(
    JSON.stringify(views.map(({ name, version, created_at }) => [name, version, created_at])),
  ).toString(36);

function definitionVerbs(
  { clock, takenBy }: Parts,
  state: Definitions,
  change: (plan: () => Record) => Promise<Record>,
): DefinitionVerbs {
  const at = () => ({ created_at: timestamp(clock) });
  return {
    define: async (given) => {
      const made = await change(() => {
        if (given.kind === "view") {
          checkName(given.name);
          const dataset = takenBy(given.name);
          if (dataset !== undefined)
            throw fail("conflict", `there is a dataset '${dataset}': take another name`);
        }
        const spelling = state.spelling(given.kind, given.name);
        if (spelling !== undefined && spelling !== given.name)
          throw fail("conflict", `'${given.name}' differs only by case from '${spelling}'`);
        return planDefinition(state, given, at());
      });
      return state.find(given.kind, made.name, made.version);
    },
    undefine: async (given) => {
      await change(() => planDrop(state, given, at()));
      return { name: given.name };
    },
    definition: async ({ kind, name, version }) => state.find(kind, name, version),
    definitions: async ({ kind }) => ({ definitions: state.all(kind) }),
  };
}

/** Throws for what is no record: it counts as damaged. */
function checkRecord(record: Record): void {
  if (isDefined(record)) check(Defined, record, "a record");
  else if (typeof record.name !== "string" || !Number.isInteger(record.version))
    throw new Error("not a definition");
}
