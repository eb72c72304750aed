/**
 * Text → 768 numbers by spelling alone: words, pairs of words and pieces of words, each hashed to a signed place.
 * It knows no meaning: texts are near when they share words or parts of words, so it bears inflection and typos, not
 * synonyms. No training, no download, the same numbers on every machine.
 *
 * Sources: signed feature hashing, Weinberger et al. 2009, "Feature Hashing for Large Scale Multitask Learning";
 * words as bags of their character n-grams with < and > around, Bojanowski et al. 2017 (fastText).
 *
 * Whoever changes a number or a rule here makes another model: vectors already stored no longer fit. The golden
 * vectors in the tests say so.
 */
import { lexicalDimension } from "../../../runtime/models/models.ts";

/**
 * Features are counted in 2^18 buckets first: 2 MiB of doubles, so that they stay in a core's cache, and a text of
 * 300 features shares a bucket with probability 0.16.
 */
const bucketBits = 18;
const buckets = 1 << bucketBits;

/** fastText takes pieces of 3 to 6 characters; 6 cost a quarter more time and ranked nothing better here. */
const pieceMin = 3;
const pieceMax = 5;

/** Weights by kind. The pieces of a word share `pieces`, so that a long word does not outweigh a short one. */
const weights = { word: 1, pair: 0.5, pieces: 1 } as const;

/** English function words say little of a text's subject; with no corpus to count in, they are listed. */
const functionWords = new Set(
  `a about all also am an and any are as at be been but by can could did do does for from had has have he her his how i
  if in into is it its me my no not of on or our she should so than that the their them then there these they this to
  up us was we were what when where which who will with would you your`.split(/\s+/),
);
const functionWordWeight = 0.15;

/** What stands between spaces; longer runs are taken in parts, so that one without an end does not hold up the thread. */
const runPattern = /\S{1,1024}/gu;
/** Letters and digits with their marks, and the signs that belong to a name: `c++`, `c#`. */
const wordPattern = /[\p{L}\p{N}\p{M}]+[+#]*/gu;
const hasWord = /[\p{L}\p{N}]/u;

const open = 0x3c;
const close = 0x3e;

/** FNV-1a over UTF-16 code units. */
const fnvStart = 0x811c9dc5;
const fnv = (hash: number, unit: number): number => Math.imul(hash ^ unit, 0x01000193);

/** MurmurHash3's finalizer: every bit of the input reaches every bit of the output. */
function mixed(hash: number): number {
  let h = hash;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** Seeds that keep the kinds apart: the word `<ab` is not the piece `<ab`. */
const wordSeed = fnvStart;
const pieceSeed = fnv(fnvStart, 1);
const pairSeed = fnv(fnvStart, 2);

/** Room for one text at a time; holds 3 MiB and can be used again. */
export interface Sketch {
  /** Adds the words of one text bit by bit: a generator that pauses after every few words. */
  read: (text: string) => Generator<void, void>;
  /** Writes the vector of what was read, of length 1, and forgets it. */
  finish: (into: Float32Array) => void;
  /** Forgets what was read. */
  clear: () => void;
}

/** Characters read between two pauses: about a millisecond. */
const pauseCharacters = 8192;

/** `each` is handed every run of characters without white space that is read. */
export function createSketch(dimension = lexicalDimension, each?: (run: string) => void): Sketch {
  /** Sum of squared weights a bucket: n occurrences of weight w come to w·√n, the sublinear term weight. */
  const squares = new Float64Array(buckets);
  const touched = new Uint32Array(buckets);
  let count = 0;
  let last = 0;

  const add = (hash: number, square: number) => {
    const bucket = mixed(hash) >>> (32 - bucketBits);
    if (squares[bucket] === 0) touched[count++] = bucket;
    squares[bucket] = (squares[bucket] as number) + square;
  };

  const clear = () => {
    for (let at = 0; at < count; at++) squares[touched[at] as number] = 0;
    count = 0;
    last = 0;
  };

  return {
    read: function* (text) {
      // Texts without any word, as `!!!` or an emoji, are read by their signs.
      const pattern = hasWord.test(text) ? wordPattern : runPattern;
      let sincePause = 0;
      for (const [run] of text.matchAll(runPattern)) {
        each?.(run);
        // Run by run: nothing composes across a space, and ICU takes quadratic time for long rows of accents.
        for (const [word] of run.normalize("NFKC").toLowerCase().matchAll(pattern))
          last = addWord(add, word, last);
        sincePause += run.length;
        if (sincePause < pauseCharacters) continue;
        sincePause = 0;
        yield;
      }
    },
    finish: (into) => {
      into.fill(0);
      const sums = new Float64Array(dimension);
      for (let at = 0; at < count; at++) {
        const bucket = touched[at] as number;
        const weight = Math.sqrt(squares[bucket] as number);
        const hash = mixed(bucket + 1);
        const place = Math.floor(((hash >>> 1) / 0x80000000) * dimension);
        sums[place] = (sums[place] as number) + ((hash & 1) === 0 ? weight : -weight);
      }
      normalize(sums, into);
      clear();
    },
    clear,
  };
}

type Add = (hash: number, square: number) => void;

/** Adds a word, its pieces and its pair with the word before; returns its hash for the next pair. */
function addWord(add: Add, word: string, before: number): number {
  const weight = functionWords.has(word) ? functionWordWeight : 1;
  let hash = wordSeed;
  for (let at = 0; at < word.length; at++) hash = fnv(hash, word.charCodeAt(at));
  add(hash, (weight * weights.word) ** 2);
  if (before !== 0) add(fnv(fnv(pairSeed, before), hash), (weight * weights.pair) ** 2);
  addPieces(add, word, weight);
  return hash;
}

function addPieces(add: Add, word: string, weight: number): void {
  const length = word.length + 2;
  let pieces = 0;
  for (let size = pieceMin; size <= pieceMax; size++) pieces += Math.max(0, length - size + 1);
  const square = (weight * weights.pieces) ** 2 / pieces;
  for (let from = 0; from + pieceMin <= length; from++) {
    const to = Math.min(from + pieceMax, length);
    let hash = pieceSeed;
    for (let at = from; at < to; at++) {
      hash = fnv(hash, at === 0 ? open : at === length - 1 ? close : word.charCodeAt(at - 1));
      if (at - from + 1 >= pieceMin) add(hash, square);
    }
  }
}

/** Length 1. Features that cancel out to nothing, in practice never, leave the first axis. */
function normalize(sums: Float64Array, into: Float32Array): void {
  let square = 0;
  for (let at = 0; at < sums.length; at++) square += (sums[at] as number) ** 2;
  if (square === 0) {
    into[0] = 1;
    return;
  }
  const length = Math.sqrt(square);
  for (let at = 0; at < sums.length; at++) into[at] = (sums[at] as number) / length;
}
