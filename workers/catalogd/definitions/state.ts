/** Saved queries and views as values: their latest versions, those before, and what a change makes of them. */
import type { Subject } from "../../../runtime/contract/contract.ts";
import { fail, suggestionsFor } from "../../../runtime/errors/errors.ts";
import { fold } from "../../../runtime/sql/sql.ts";
import type { Define, Defined } from "../schemas/schemas.ts";

/** A version: of one that was dropped nothing is left but its number. */
export type Record =
  | Defined
  | (Pick<Defined, "kind" | "name" | "version" | "created_at"> & { dropped: true });
export type Kind = Defined["kind"];

/** Names of each kind, and versions of each that can be read. */
const namesMax = 2000;
export const versionsKept = 50;

export interface Definitions {
  /** Every version that is kept, in the order in which they were made. */
  records: () => Iterable<Record>;
  put: (record: Record) => void;
  /** These alone are there from now on. */
  replace: (records: readonly Record[]) => void;
  /** All of a kind by name. */
  all: (kind: Kind) => Defined[];
  /** Throws `not_found`. */
  find: (kind: Kind, name: string, version?: number) => Defined;
  latest: (kind: Kind, name: string) => Record | undefined;
  /** The name as it was given, in whatever case. */
  spelling: (kind: Kind, name: string) => string | undefined;
}

export function createDefinitions(): Definitions {
  const chains = new Map<string, Record[]>();
  const keyOf = (kind: Kind, name: string) => `${kind} ${fold(name)}`;
  const latest = (kind: Kind, name: string) => chains.get(keyOf(kind, name))?.at(-1);
  const all = (kind: Kind) =>
    [...chains.values()]
      .flatMap((chain) => {
        const last = chain.at(-1);
        return last && isDefined(last) && last.kind === kind ? [last] : [];
      })
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  const put = (record: Record) => {
    const key = keyOf(record.kind, record.name);
    const chain = chains.get(key) ?? [];
    chain.push(record);
    if (chain.length > versionsKept) chain.splice(0, chain.length - versionsKept);
    chains.set(key, chain);
  };
  return {
    put,
    replace: (records) => {
      chains.clear();
      records.forEach(put);
    },
    records: () => [...chains.values()].flat(),
    all,
    latest,
    spelling: (kind, name) => {
      const last = latest(kind, name);
      return last && isDefined(last) ? last.name : undefined;
    },
    find: (kind, name, version) => {
      const chain = chains.get(keyOf(kind, name)) ?? [];
      const found = version === undefined ? chain.at(-1) : chain.find((one) => one.version === version);
      if (found && isDefined(found)) return found;
      const last = chain.at(-1);
      if (last && version !== undefined)
        throw fail(
          "not_found",
          `there is no version ${version} of ${words[kind]} '${name}' any more: versions ${chain[0]?.version} to ${last.version} are kept${found ? `, and version ${version} is its drop` : ""}`,
        );
      const near = suggestionsFor(
        name,
        all(kind).map((each) => each.name),
      );
      throw fail(
        "not_found",
        `there is no ${words[kind]} '${name}'${near.length > 0 ? `; did you mean ${near.join(" or ")}?` : ""}`,
      );
    },
  };
}

const words = { query: "saved query", view: "view" } as const;
export const isDefined = (record: Record): record is Defined => !("dropped" in record);

/**
 * The version that a definition makes, or the latest where that is the same already. Throws `precondition_failed` where
 * the latest is not the one that `if_match` names, `too_many_requests` for more names than may be kept.
 */
export function planDefinition(
  definitions: Definitions,
  { if_match: condition, ...given }: Define,
  at: { created_at: string },
): Record {
  const before = definitions.latest(given.kind, given.name);
  const isSame = before !== undefined && isDefined(before) && sameText(before) === sameText(given);
  // A repetition finds its own version, which its condition cannot name.
  if (isSame && (!condition || matches(condition, before) || holds(condition, before.version - 1)))
    return before;
  checkCondition(condition, before, given.name);
  if ((!before || !isDefined(before)) && definitions.all(given.kind).length >= namesMax)
    throw fail("too_many_requests", `there are ${namesMax} of these already: drop some`, {
      retryAfterSeconds: 60,
    });
  return { ...given, version: (before?.version ?? 0) + 1, ...at };
}

/** The version that says that it is dropped. Throws `not_found` and `precondition_failed`. */
export function planDrop(
  definitions: Definitions,
  { kind, name, if_match: condition }: { kind: Kind; name: string; if_match?: string | undefined },
  at: { created_at: string },
): Record {
  const before = definitions.find(kind, name);
  checkCondition(condition, before, name);
  return { kind, name: before.name, version: before.version + 1, dropped: true, ...at };
}

/** What makes one the same as another. */
const sameText = ({
  name,
  sql,
  description,
  parameters,
  columns,
}: Pick<Defined, "name" | "sql" | "description" | "parameters" | "columns">): string =>
  JSON.stringify([name, sql, description ?? "", parameters ?? {}, columns]);

function checkCondition(condition: string | undefined, before: Record | undefined, name: string): void {
  if (!condition || matches(condition, before)) return;
  const now = before && isDefined(before) ? `its ETag is "${before.version}"` : "there is none";
  throw fail("precondition_failed", `'${name}' was expected to be ${condition.slice(0, 100)}, and ${now}`);
}

const matches = (condition: string, before: Record | undefined): boolean =>
  before !== undefined && isDefined(before) && holds(condition, before.version);

const holds = (condition: string, version: number): boolean =>
  condition
    .split(",")
    .map((each) => each.trim())
    // Behind a view's version its etag says what the columns are.
    .some((each) => each === "*" || each.replace(/^"(\d+)(-\w+)?"$/, "$1") === String(version));

/** The records without what names a subject; a latest version that does is as if it were dropped. */
export function withoutNamed(records: readonly Record[], subject: Pick<Subject, "isMentioned">): Record[] {
  const latest = new Map(records.map((record) => [`${record.kind} ${fold(record.name)}`, record]));
  const isLatest = (record: Record) => latest.get(`${record.kind} ${fold(record.name)}`) === record;
  return records.flatMap((record): Record[] => {
    if (!subject.isMentioned(Object.values(record))) return [record];
    const { kind, name, version, created_at } = record;
    if (!isLatest(record) || subject.isMentioned(name)) return [];
    return [{ kind, name, version, created_at, dropped: true }];
  });
}
