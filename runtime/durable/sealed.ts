/** Small JSON files with a checksum: one that was changed, cut short or emptied is refused. */

/** The text of such a file. */
export function seal(value: object): string {
  const sha256 = new Bun.CryptoHasher("sha256").update(JSON.stringify(value)).digest("hex");
  return `${JSON.stringify({ is: value, sha256 }, null, 2)}\n`;
}

/** The content; undefined when it is not as it was written. */
export function unseal(bytes: Uint8Array): unknown {
  try {
    const text = new TextDecoder().decode(bytes);
    const { is } = JSON.parse(text);
    return seal(is) === text ? is : undefined;
  } catch {
    // Not JSON, or not of this form: the caller names the file.
    return undefined;
  }
}
