/** An overlay over the table: the state as it will be once the changes decided so far are applied. */
import {
  advance,
  type Change,
  type Contents,
  createContentIndex,
  type Head,
  isLive,
  isSame,
  type Times,
  type TraceTable,
} from "../traces/traces.ts";

type Without<C> = C extends Change ? Omit<C, "seq" | "at"> : never;
/** A change before it has its sequence and its time. */
type Intent = Without<Change>;

export interface Draft {
  find: (uid: string) => Head | undefined;
  /** A live trace with this content and these tags, the oldest. */
  findSame: (contents: Contents) => Head | undefined;
  /** How many traces there are. */
  size: () => number;
  /** Decides the changes, all at one time; gives the first one's trace after it. */
  make: (first: Intent, ...more: Intent[]) => Head;
  /** What was decided, in order. */
  changes: readonly Change[];
  /** The operation that the next changes belong to. */
  operation: string | undefined;
}

export function createDraft(table: TraceTable, times: Pick<Times, "next">): Draft {
  const heads = new Map<string, Head>();
  const changes: Change[] = [];
  const find = (uid: string) => heads.get(uid) ?? table.find(uid)?.head;
  let sequence = table.lastSequence();
  const made = createContentIndex(find);
  let added = 0;
  const isStill = (head: Head, contents: Contents) => isLive(head) && isSame(head, contents);
  const make = (intent: Intent, at: number): Head => {
    const { operation: op } = draft;
    const change = { ...intent, seq: ++sequence, at, ...(op !== undefined && { op }) } as Change;
    const before = find(change.uid);
    const head = advance(before, change);
    if (!before) added += 1;
    heads.set(change.uid, head);
    if ("content" in change || "tags" in change) made.add(head);
    changes.push(change);
    return head;
  };
  const draft: Draft = {
    operation: undefined,
    find,
    changes,
    size: () => table.entries.length + added,
    findSame: (contents) => {
      for (const { uid } of table.same(contents)) {
        const head = find(uid);
        if (head && isStill(head, contents)) return head;
      }
      return made.find(contents).next().value ?? undefined;
    },
    make: (first, ...more) => {
      const at = times.next();
      const head = make(first, at);
      for (const intent of more) make(intent, at);
      return head;
    },
  };
  return draft;
}
