/** A build of a corpus that can be searched, and who holds which of its generations. */
import { parseFilter } from "../../../runtime/filter/filter.ts";
import type { Lexicon, LexiconState } from "../lexicon/lexicon.ts";
import type { Corpus } from "../schemas/schemas.ts";
import type { LiveCorpus } from "./live-corpus.ts";

export interface Build {
  id: string;
  /** vectord's. */
  index: string;
  file: string;
  state: LexiconState;
  /** How many hold each generation. */
  holds: Map<number, number>;
  /** It is no longer the corpus's, and goes when nobody holds it. */
  isGone?: true;
  /** Called when a generation is let go of. */
  released: () => void;
}

/** Ids looked up in one go: between two the thread serves others. */
const idsAtOnce = 10_000;

/** The oldest generation that is still read. */
export const oldestHeld = ({ holds, state }: Build): number => Math.min(state.generation, ...holds.keys());

/** Holds the present generation: none of its rows goes, here or in vectord, until the function returned is called. */
export function holdGeneration(build: Build): () => void {
  const { holds } = build;
  const { generation } = build.state;
  holds.set(generation, (holds.get(generation) ?? 0) + 1);
  let isHeld = true;
  return () => {
    if (!isHeld) return;
    isHeld = false;
    const left = (holds.get(generation) ?? 1) - 1;
    if (left > 0) holds.set(generation, left);
    else {
      holds.delete(generation);
      build.released();
    }
  };
}

/** Holds the present generation. `failed` hears of every failure of its database. */
export function holdBuild(
  build: Build,
  info: Corpus,
  lexicon: Lexicon,
  failed: (cause: unknown) => void,
): LiveCorpus {
  const { file } = build;
  const { generation, rows, index, model = "", dimension = 0 } = build.state;
  const release = holdGeneration(build);
  const reporting = <R>(work: Promise<R>): Promise<R> =>
    work.catch((cause) => {
      failed(cause);
      throw cause;
    });
  return {
    info,
    generation,
    rows,
    index,
    model,
    dimension,
    lexical: async ({ text, k, filter, among, signal }) => {
      const condition = filter && parseFilter(filter);
      const question = { generation, text, k, condition, among };
      return reporting(lexicon.ask(file, "lexical", question, { signal }));
    },
    read: (numbers, { text = false } = {}) =>
      reporting(lexicon.ask(file, "read", { generation, numbers, text })),
    numbersOf: async (ids) => {
      const found: (number | undefined)[] = [];
      for (let from = 0; from < ids.length; from += idsAtOnce) {
        const some = ids.slice(from, from + idsAtOnce);
        found.push(...(await reporting(lexicon.ask(file, "numbersOf", { generation, ids: some }))));
      }
      return found;
    },
    release,
  };
}
