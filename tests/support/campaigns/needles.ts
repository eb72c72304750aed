/** What of a text is left in the bytes of files. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Files below the folder whose names or bytes hold the text: as it is, in capitals, or as UTF-16. */
export function filesWith(folder: string, text: string): string[] {
  const forms = [text, text.toUpperCase()].flatMap((each) => [
    Buffer.from(each),
    Buffer.from(each, "utf16le"),
  ]);
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => {
      if (path.includes(text)) return true;
      const bytes = readUnlessGone(path);
      return forms.some((form) => bytes.includes(form));
    });
}

/** Nothing of a file that went since it was listed, as those of work that has ended. */
function readUnlessGone(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "ENOENT") throw cause;
    return Buffer.alloc(0);
  }
}
