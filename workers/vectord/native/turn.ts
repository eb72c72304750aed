/** A vector turned at random, the same way always, and the signs of what comes out. */

export interface Turn {
  /** To be filled with a vector; what is computed overwrites it. */
  input: Float32Array;
  /** Of a code, 32 bits each. */
  words: number;
  /** Writes the signs of the input, turned. */
  code: (input: Float32Array, into: Int32Array, at: number) => void;
}

/** Short vectors are turned several ways: their angles need so many signs. */
const signsMin = 256;
/** Signs changed and numbers mixed so many times: after that no number depends on few of the vector. */
const rounds = 3;

export function createTurn(dimension: number): Turn {
  const ways = Math.max(1, Math.ceil(signsMin / dimension));
  const words = Math.ceil((dimension * ways) / 32);
  const random = signs(dimension);
  const flips = Array.from({ length: ways * rounds }, () => Float32Array.from({ length: dimension }, random));
  const size = 2 ** Math.floor(Math.log2(dimension));
  const own = new Float32Array(dimension);
  const input = new Float32Array(dimension);
  return {
    input,
    words,
    code: (vector, into, at) => {
      into.fill(0, at, at + words);
      for (let way = 0; way < ways; way++) {
        own.set(vector);
        for (let round = 0; round < rounds; round++) {
          const flip = flips[way * rounds + round] as Float32Array;
          for (let i = 0; i < dimension; i++) own[i] = (own[i] as number) * (flip[i] as number);
          // A dimension that is no power of two is mixed from both ends, and more of it twice.
          mix(own, 0, size);
          if (size < dimension) mix(own, dimension - size, size);
        }
        for (let i = 0; i < dimension; i++) {
          const bit = way * dimension + i;
          if ((own[i] as number) > 0)
            into[at + (bit >>> 5)] = (into[at + (bit >>> 5)] as number) | (1 << (bit & 31));
        }
      }
    },
  };
}

/** The fast Walsh-Hadamard transform, in place and without its scale: signs alone count. */
function mix(numbers: Float32Array, from: number, size: number): void {
  const to = from + size;
  for (let half = 1; half < size; half *= 2) {
    for (let first = from; first < to; first += half * 2) {
      for (let at = first; at < first + half; at++) {
        const a = numbers[at] as number;
        const b = numbers[at + half] as number;
        numbers[at] = a + b;
        numbers[at + half] = a - b;
      }
    }
  }
  // As large as before, so that both ends weigh the same.
  const scale = 1 / Math.sqrt(size);
  for (let at = from; at < to; at++) numbers[at] = (numbers[at] as number) * scale;
}

/** 1 or −1, from a linear congruential generator: the codes of a stored file depend on them. */
function signs(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state < 2 ** 31 ? 1 : -1;
  };
}
