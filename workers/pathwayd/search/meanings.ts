/** Memories by their meaning: vectors of their texts by embedd's default model, made when a search first needs them. */
import { LRUCache } from "lru-cache";
import type { ClientOf } from "../../../runtime/contract/contract.ts";
import { ServiceError } from "../../../runtime/errors/errors.ts";
import { type Clock, createSlices } from "../../../runtime/scheduling/scheduling.ts";
import type { Embedd } from "../../embedd/contract.ts";
import { type Head, textsOf } from "../traces/traces.ts";

export interface Compared {
  /** The cosine with each head, in their order; undefined where there is none. */
  cosines: readonly (number | undefined)[];
  /** The model that compared them; undefined where none did. */
  model?: string;
  /** Why some were not compared. */
  incomplete?: string;
}

export interface Meanings {
  compare: (text: string, heads: readonly Placed[], signal: AbortSignal) => Promise<Compared>;
  forget: (ordinal: number) => void;
}

interface Placed {
  ordinal: number;
  head: Head;
}

/** Vectors kept, an eighth of a kilobyte a 128 numbers: 150 MB at 512. The memories that were used longest ago go. */
const keptMax = 200_000;
/** Memories of one call to embedd. */
const batchTexts = 256;
/** Characters of a memory that are embedded: about four pages. */
const textCharacters = 8192;
/** How long a search makes vectors that are missing; the next one goes on from there. */
const makingMs = 5000;

/** A vector in bytes; `scale` undoes the rounding and its length. */
interface Kept {
  content: unknown;
  tags: readonly string[];
  numbers: Int8Array;
  scale: number;
}

export function createMeanings({
  embedd,
  clock,
}: {
  embedd: Pick<ClientOf<Embedd>, "vectorsOf">;
  clock: Pick<Clock, "elapsed">;
}): Meanings {
  /** By place and content: a search of the past asks for what a memory said then. */
  const kept = new LRUCache<number, Kept[]>({ max: keptMax });
  let model: string | undefined;

  const find = ({ ordinal, head }: Placed): Kept | undefined =>
    kept.get(ordinal)?.find(({ content, tags }) => content === head.content && tags === head.tags);
  const embed = async (texts: string[], signal: AbortSignal): Promise<Float32Array[]> => {
    const answer = await embedd.vectorsOf({ texts }, { signal });
    if (model !== answer.model) kept.clear();
    model = answer.model;
    const all = new Float32Array(answer.vectors.slice().buffer);
    return texts.map((_, at) => all.subarray(at * answer.dimension, (at + 1) * answer.dimension));
  };
  const make = async (missing: readonly Placed[], signal: AbortSignal) => {
    const began = clock.elapsed();
    for (let from = 0; from < missing.length; from += batchTexts) {
      if (clock.elapsed() - began > makingMs) return;
      const batch = missing.slice(from, from + batchTexts);
      const vectors = await embed(
        batch.map(({ head }) => meaningText(head)),
        signal,
      );
      for (const [at, { ordinal, head }] of batch.entries()) {
        const { content, tags } = head;
        const others = kept.get(ordinal)?.slice(-1) ?? [];
        kept.set(ordinal, [...others, { content, tags, ...rounded(vectors[at] as Float32Array) }]);
      }
    }
  };

  return {
    forget: (ordinal) => void kept.delete(ordinal),
    compare: async (text, heads, signal) => {
      const told = heads.filter(({ head }) => meaningText(head).trim() !== "").slice(0, keptMax);
      try {
        const [question = new Float32Array()] = await embed([text.slice(0, textCharacters)], signal);
        await make(
          told.filter((placed) => !find(placed)),
          signal,
        );
        const unit = Math.hypot(...question) || 1;
        const slices = createSlices(signal);
        const cosines: (number | undefined)[] = [];
        for (const placed of heads) {
          const row = find(placed);
          const rest = slices(question.length);
          if (rest) await rest;
          cosines.push(row?.numbers.length === question.length ? dot(question, row) / unit : undefined);
        }
        const missing = told.filter((placed) => !find(placed)).length + Math.max(0, heads.length - keptMax);
        return {
          cosines,
          ...(model !== undefined && { model }),
          ...(missing > 0 && {
            incomplete: `${missing} of ${heads.length} memories are not compared by meaning yet; ask again`,
          }),
        };
      } catch (cause) {
        if (!(cause instanceof ServiceError) || signal.aborted) throw cause;
        const incomplete = `memories are compared by words alone: embedd: ${cause.message}`;
        return { cosines: heads.map(() => undefined), incomplete };
      }
    },
  };
}

/** What of a memory has a meaning. */
export function meaningText(head: Head): string {
  const { content, tags } = textsOf(head);
  return `${content}\n${tags}`.slice(0, textCharacters);
}

/** 127 steps a side: a cosine moves by less than 0.01. */
function rounded(vector: Float32Array): Pick<Kept, "numbers" | "scale"> {
  const most = vector.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0) || 1;
  const numbers = Int8Array.from(vector, (value) => Math.round((value / most) * 127));
  const length = Math.hypot(...numbers);
  return { numbers, scale: length === 0 ? 0 : 1 / length };
}

function dot(question: Float32Array, { numbers, scale }: Kept): number {
  let sum = 0;
  for (let at = 0; at < numbers.length; at++) sum += (question[at] as number) * (numbers[at] as number);
  return sum * scale;
}
