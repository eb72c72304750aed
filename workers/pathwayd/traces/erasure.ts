/** What is to be left of traces that are erased, and what else may name them. */
import { type Change, type Erased, toSteps } from "./change.ts";
import { advance, type Head } from "./head.ts";

/** What of a trace matters here: as the table has it. */
interface Erasable {
  head: Head;
  changes: readonly Change[];
  replays: { readonly seqs: readonly number[] };
}

/** Every state that the trace ever had, replays aside. */
export function* statesOf({ changes }: Pick<Erasable, "changes">): Generator<Head> {
  let then: Head | undefined;
  for (const change of changes) {
    then = advance(then, change);
    yield then;
  }
}

interface Erasure {
  seq: number;
  at: number;
  who: string;
  why: string;
  /** What it is called from now on. */
  uid: string;
}

/** What stands for the trace from now on; `orphans` are changes of its uid that have no beginning. */
export function erasedOf(
  entry: Erasable | undefined,
  orphans: readonly Change[],
  { seq, at, who, why, uid }: Erasure,
): Erased {
  const seqs = [...(entry?.changes ?? []), ...orphans].map((change) => change.seq);
  const { predecessor, successor, valid_from, created = at } = entry?.head ?? {};
  const begins = predecessor !== undefined && valid_from !== undefined;
  return {
    ...{ kind: "erased", uid, seq, at, who, why, created },
    ...(predecessor !== undefined && { predecessor }),
    ...(successor !== undefined && { successor }),
    ...(begins && { valid_from }),
    seqs: toSteps([...seqs, ...(entry?.replays.seqs ?? [])].sort((a, b) => a - b)),
  };
}

/** Gives what names erased traces under the names that they have now; undefined where none has another. */
export function renaming(erased: ReadonlyMap<string, Erased>) {
  const names = new Map([...erased].flatMap(([old, { uid }]) => (old === uid ? [] : [[old, uid] as const])));
  if (names.size === 0) return undefined;
  return <T extends object>(value: T): T => {
    const links = value as { predecessor?: string; successor?: string };
    const predecessor = names.get(links.predecessor ?? "");
    const successor = names.get(links.successor ?? "");
    if (predecessor === undefined && successor === undefined) return value;
    return {
      ...value,
      ...(predecessor !== undefined && { predecessor }),
      ...(successor !== undefined && { successor }),
    };
  };
}
