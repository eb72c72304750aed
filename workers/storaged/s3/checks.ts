/** Incremental checksums: each takes the bytes in order and finally says whether they match. */

export interface Check {
  update: (chunk: Uint8Array) => void;
  /** Asked once, after the last byte. */
  holds: () => boolean;
}

export const sha256Check = (expected: string): Check => digestCheck("sha256", expected);
export const md5Check = (expected: string): Check => digestCheck("md5", expected);

function digestCheck(algorithm: "sha256" | "md5", expected: string): Check {
  const hasher = new Bun.CryptoHasher(algorithm);
  return { update: (chunk) => void hasher.update(chunk), holds: () => hasher.digest("hex") === expected };
}

/** The etag of an object that was put together of parts: the MD5 of the parts' MD5s, and their number. */
export function md5OfPartsCheck(etag: string, partBytes: number): Check {
  const whole = new Bun.CryptoHasher("md5");
  let part = new Bun.CryptoHasher("md5");
  let filled = 0;
  let count = 0;
  const endPart = () => {
    whole.update(part.digest());
    part = new Bun.CryptoHasher("md5");
    filled = 0;
    count += 1;
  };
  return {
    update: (chunk) => {
      for (let rest = chunk; rest.length > 0; ) {
        // A part ends when the next one begins: the last may be as long as the others.
        if (filled === partBytes) endPart();
        const taken = rest.subarray(0, partBytes - filled);
        part.update(taken);
        filled += taken.length;
        rest = rest.subarray(taken.length);
      }
    },
    holds: () => {
      endPart();
      return `${whole.digest("hex")}-${count}` === etag;
    },
  };
}
