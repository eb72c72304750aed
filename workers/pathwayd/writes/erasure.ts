/** Erasing traces: which ones, what stands for them, and what else is kept of them. */
import type { InputOf, ReplyOf, Running, Subject, VerbsOf } from "../../../runtime/contract/contract.ts";
import { checkReasons, removedAt, reportOf, subjectOf } from "../../../runtime/erasure/erasure.ts";
import { fail } from "../../../runtime/errors/errors.ts";
import { matches, parseFilter } from "../../../runtime/filter/filter.ts";
import type { Idempotency } from "../../../runtime/idempotency/idempotency.ts";
import { isObject } from "../../../runtime/json/json.ts";
import type { Log } from "../../../runtime/telemetry/telemetry.ts";
import type { Pathwayd } from "../contract.ts";
import type { Store } from "../log/log.ts";
import {
  type Change,
  type Entry,
  type Erased,
  erasedOf,
  type Head,
  renaming,
  statesOf,
  type Times,
  type TraceTable,
  unknownUid,
} from "../traces/traces.ts";
import type { Writer } from "./writer.ts";

type EraseInput = InputOf<Pathwayd["endpoints"]["erase"]>;
type EraseReply = ReplyOf<Pathwayd["endpoints"]["erase"]>;

interface ErasureDeps {
  table: TraceTable;
  store: Pick<Store, "erase">;
  writer: Pick<Writer, "alone">;
  times: Pick<Times, "next">;
  idempotency: Pick<Idempotency, "redact">;
  newId: () => string;
  log: Pick<Log, "info">;
  /** What searches hold in memory of the trace at that place. */
  forget: (ordinals: readonly number[]) => void;
}

export interface TraceErasure {
  /** The verb. */
  erase: VerbsOf<Pathwayd>["erase"];
  /** All that names the subject. */
  eraseSubject: NonNullable<Running<Pathwayd>["erase"]>;
}

export function traceErasure(deps: ErasureDeps): TraceErasure {
  const run = (input: Reasons, selection: Selection) =>
    deps.writer.alone(() => eraseNow(input, selection, deps));
  return {
    erase: async (input) => run(input, selectionOf(input)),
    eraseSubject: async ({ subject, who, why, dryRun }) => {
      const selection = { uids: undefined, subject, isMeant: () => true };
      const { erased, answers, uids } = await run({ who, why, dry_run: dryRun }, selection);
      return reportOf(
        removedAt("pathwayd/traces.log", "traces", erased, dryRun ? [] : uids),
        removedAt("pathwayd/idempotency", "answers to Idempotency-Keys", answers),
      );
    },
  };
}

interface Selection {
  uids: ReadonlySet<string> | undefined;
  subject: Subject | undefined;
  /** Whether a state of a trace is meant; true where nothing is asked of it. */
  isMeant: (head: Head) => boolean;
}

/** Throws `bad_request` for a request without a condition, `invalid_field` for one that makes no sense. */
function selectionOf({ uids, subject: text, scope = {}, filter, ...reasons }: EraseInput): Selection {
  if (!uids && text === undefined && Object.keys(scope).length === 0 && !filter)
    throw fail(
      "bad_request",
      "expected at least one of uids, subject, scope and filter: which traces to erase",
    );
  const subject = text === undefined ? undefined : subjectOf(text);
  checkReasons(reasons, subject);
  const condition = filter && parseFilter(filter);
  const names = Object.entries(scope);
  return {
    uids: uids && new Set(uids),
    subject,
    isMeant: (head) =>
      names.every(([name, value]) => head.scope?.[name as keyof typeof head.scope] === value) &&
      (!condition || matches(condition, isObject(head.content) ? head.content : {})),
  };
}

type Reasons = Pick<EraseInput, "who" | "why" | "dry_run">;

async function eraseNow(input: Reasons, selection: Selection, deps: ErasureDeps): Promise<EraseReply> {
  const { table, store, times, idempotency, newId } = deps;
  const { who, why, dry_run = false } = input;
  const { subject } = selection;
  const chosen = chosenUids(selection, table);
  const isAbout = (value: unknown): boolean =>
    subject?.isMentioned(value) === true || tracesIn(value).some((uid) => chosen.has(uid));
  if (dry_run) {
    const answers = await idempotency.redact(isAbout, true);
    return { dry_run, erased: chosen.size, uids: [...chosen], answers };
  }
  const at = times.next();
  let seq = table.lastSequence();
  const erased = new Map<string, Erased>();
  for (const uid of chosen) {
    const orphans = table.orphans.filter((change) => change.uid === uid);
    const called = subject?.isIn(uid) ? `erased:${newId()}` : uid;
    erased.set(uid, erasedOf(table.find(uid), orphans, { seq: ++seq, at, who, why, uid: called }));
  }
  const renamed = renaming(erased);
  if (renamed) for (const [uid, record] of erased) erased.set(uid, renamed(record));
  const ordinals = [...chosen].flatMap((uid) => table.find(uid)?.ordinal ?? []);
  // Copies of it first: a kill before the log is replaced leaves the traces as they were.
  const answers = await idempotency.redact(isAbout);
  await store.erase(erased);
  deps.forget(ordinals);
  deps.log.info("traces erased", { erased: erased.size, answers });
  return { dry_run, erased: erased.size, uids: [...erased.values()].map(({ uid }) => uid), answers };
}

/** With every trace of their chains; those that are erased already are left as they are. Throws `not_found` for a uid that never was. */
function chosenUids({ uids, subject, isMeant }: Selection, table: TraceTable): Set<string> {
  for (const uid of uids ?? [])
    if (!table.find(uid) && !table.orphans.some((change) => change.uid === uid)) throw unknownUid(uid);
  const isNamed = (changes: readonly Change[]) =>
    !subject || changes.some((change) => subject.isMentioned(saidBy(change)));
  const isChosen = (entry: Entry) =>
    !entry.erased &&
    (uids?.has(entry.head.uid) ?? true) &&
    isNamed(entry.changes) &&
    [...statesOf(entry)].some(isMeant);
  const chosen = new Set<string>();
  const next = table.entries.filter(isChosen).map(({ head }) => head.uid);
  for (const uid of next) {
    const entry = table.find(uid);
    if (!entry || entry.erased || chosen.has(uid)) continue;
    chosen.add(uid);
    const { predecessor, successor } = entry.head;
    for (const neighbour of [predecessor, successor]) if (neighbour !== undefined) next.push(neighbour);
  }
  for (const change of table.orphans)
    if ((uids?.has(change.uid) ?? subject !== undefined) && isNamed([change])) chosen.add(change.uid);
  return chosen;
}

/** What a caller said in it: neither our own words nor our numbers. */
function saidBy(change: Change): unknown[] {
  const { uid, content, tags, scope, reason } = change as Partial<Extract<Change, { kind: "revise" }>>;
  return [uid, content, tags, Object.values(scope ?? {}), reason];
}

/** The uids in an answer of ours, and of the traces that it names. */
function tracesIn(value: unknown): string[] {
  if (typeof value !== "object" || value === null) return [];
  const { uid, predecessor, successor } = value as Record<string, unknown>;
  const own = [uid, predecessor, successor].filter((name) => typeof name === "string");
  return [...own, ...Object.values(value).flatMap(tracesIn)];
}
