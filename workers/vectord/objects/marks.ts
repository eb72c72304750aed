/**
 * What vectord has acknowledged of each index, marked apart from the bucket that holds it: which manifest is the last
 * one, and up to which segment the index must reach. A manifest is announced before it is written, so that a start
 * after a kill between the two knows both.
 */
import { fail, type ServiceError } from "../../../runtime/errors/errors.ts";
import type { Marks } from "../../../runtime/marks/marks.ts";
import { type Manifest, manifestKey } from "../lhv1/lhv1.ts";

/** An index at one manifest. */
interface IndexState {
  /** Of the manifest: tells it from every other. */
  write: string;
  incarnation: string;
  /** The last segment that was acknowledged. */
  last: number;
}

interface IndexMark {
  /** Absent while it is not known whether there is such an index. */
  written?: IndexState;
  /** Manifests whose write may arrive. */
  announced: readonly IndexState[];
}

export interface IndexMarks {
  /** Of indexes that must be there. */
  names: () => string[];
  has: (name: string) => boolean;
  /** Before the manifest is written; `last` where its incarnation is a new one. */
  announce: (manifest: Manifest, last?: number) => Promise<void>;
  written: (manifest: Manifest) => void;
  /** The manifest is the one there is; up to `last` its segments must be there. */
  opened: (manifest: Manifest, last: number) => void;
  appended: (name: string, incarnation: string, last: number) => void;
  /** What the index at this manifest must have; undefined where nothing is known. Throws `corrupt` for an earlier manifest. */
  expected: (manifest: Manifest) => IndexState | undefined;
  /** Does what ends the index. */
  ending: (name: string, work: () => Promise<void>) => Promise<void>;
}

const prefix = "index/";

export function createIndexMarks(
  marks: Pick<Marks, "get" | "set" | "remove" | "entries" | "settle">,
): IndexMarks {
  const of = (name: string) => marks.get(prefix + name) as IndexMark | undefined;
  const set = (name: string, mark: IndexMark) => marks.set(prefix + name, { ...mark });
  const statesOf = ({ written, announced }: IndexMark) => [...(written ? [written] : []), ...announced];
  const stateOf = ({ name, write, incarnation }: Manifest, last?: number): IndexState => {
    const mark = of(name);
    const known = mark ? statesOf(mark).filter((state) => state.incarnation === incarnation) : [];
    return { write, incarnation, last: last ?? Math.max(0, ...known.map((state) => state.last)) };
  };
  return {
    names: () =>
      [...marks.entries()].flatMap(([name, mark]) =>
        name.startsWith(prefix) && "written" in mark ? [name.slice(prefix.length)] : [],
      ),
    has: (name) => of(name)?.written !== undefined,
    announce: async (manifest, last) => {
      const mark = of(manifest.name);
      if (!mark) return; // What nobody has a mark of is taken as it is found.
      set(manifest.name, { ...mark, announced: [...mark.announced, stateOf(manifest, last)] });
      await marks.settle();
    },
    written: (manifest) => set(manifest.name, { written: stateOf(manifest), announced: [] }),
    opened: (manifest, last) => {
      const mark: IndexMark = { written: stateOf(manifest, last), announced: [] };
      if (!Bun.deepEquals(of(manifest.name), mark, true)) set(manifest.name, mark);
    },
    appended: (name, incarnation, last) => {
      const mark = of(name);
      if (!mark || mark.written?.last === last) return;
      const moved = (state: IndexState) =>
        state.incarnation === incarnation ? { ...state, last: Math.max(last, state.last) } : state;
      const { written, announced } = mark;
      set(name, { ...(written && { written: moved(written) }), announced: announced.map(moved) });
    },
    expected: (manifest) => {
      const mark = of(manifest.name);
      if (!mark) return undefined;
      const state = statesOf(mark).find(({ write }) => write === manifest.write);
      // Where it is not known whether there was an index, as after a drop, a new one may have been made since.
      if (state || !mark.written) return state;
      throw lost(manifest.name, "is not the one that was written last: it is an earlier copy, or another's");
    },
    ending: async (name, work) => {
      const mark = of(name);
      if (mark) {
        set(name, { announced: statesOf(mark) });
        await marks.settle();
      }
      try {
        await work();
      } catch (cause) {
        if (mark) set(name, mark);
        throw cause;
      }
      marks.remove(prefix + name);
    },
  };
}

/** The error of an index whose manifest is not what was acknowledged. */
export const lost = (name: string, problem: string): ServiceError =>
  fail(
    "corrupt",
    `'${manifestKey(name)}' ${problem}; put it back from a backup and restart vectord, or ${acceptance(name)}`,
  );

/** The ways out where there is no backup. */
export const acceptance = (name: string): string =>
  `take what is there (bun run supervisor --adopt=vectord/${name}), or drop the index (DELETE /v1/vectors/index/${name}) and add its items again`;
