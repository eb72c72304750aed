/** Bytes of text as text: by their mark, by what they say, as UTF-8, or as Windows-1252, with a word about it. */

interface Decoded {
  text: string;
  warnings: string[];
}

/** `label` is an encoding that the text itself names. */
export function decodeText(bytes: Uint8Array, label?: string): Decoded {
  const [first, second] = bytes;
  if (first === 0xff && second === 0xfe) return decoded(bytes, "utf-16le");
  if (first === 0xfe && second === 0xff) return decoded(bytes, "utf-16be");
  try {
    return { text: new TextDecoder("utf-8", { fatal: true }).decode(bytes), warnings: [] };
  } catch {
    return decoded(bytes, known(label) ?? "windows-1252");
  }
}

function decoded(bytes: Uint8Array, encoding: string): Decoded {
  const warnings = encoding.startsWith("utf") ? [] : [`read as ${encoding}, since it is no UTF-8`];
  return { text: new TextDecoder(encoding as Bun.Encoding).decode(bytes), warnings };
}

function known(label: string | undefined): string | undefined {
  if (label === undefined || /^utf-?8$/i.test(label)) return undefined;
  try {
    return new TextDecoder(label as Bun.Encoding).encoding;
  } catch {
    return undefined;
  }
}
