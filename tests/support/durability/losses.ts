/** What may happen to a file that a service keeps, beside a flipped bit: what was acknowledged is not there any more. */
import { readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

export interface Loss {
  name: string;
  /** `older` is what the file held earlier. */
  inflict: (path: string, older: Uint8Array) => void;
}

const lastLine = (path: string): number => {
  const bytes = readFileSync(path);
  return bytes.lastIndexOf(10, bytes.length - 2) + 1;
};

export const losses: readonly Loss[] = [
  { name: "cut by 1", inflict: (path) => truncateSync(path, readFileSync(path).length - 1) },
  { name: "cut at a record", inflict: (path) => truncateSync(path, lastLine(path)) },
  { name: "emptied", inflict: (path) => truncateSync(path, 0) },
  { name: "removed", inflict: (path) => rmSync(path) },
  { name: "swapped with an older copy", inflict: (path, older) => writeFileSync(path, older) },
  {
    name: "lost with its whole folder",
    inflict: (path) => rmSync(dirname(path), { recursive: true }),
  },
];
