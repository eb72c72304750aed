/** Answers as earlier versions kept them: `idempotency.log`, a line of checksum and JSON for each. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { isCompleteLine, linesOf } from "../durable/durable.ts";
import { type Entry, windowMs } from "./slots.ts";

interface Former {
  key: string;
  fingerprint: string;
  at: number;
  answer: unknown;
}

/** Hands over what still counts, then deletes the file. Gives how many lines could not be read; 0 where there is no file. */
export async function takeFormerAnswers(
  directory: string,
  now: number,
  keep: (entry: Omit<Entry, "at">) => Promise<void>,
): Promise<number> {
  const path = join(directory, "idempotency.log");
  let damaged = 0;
  for await (const line of linesOf(path)) {
    if (!isCompleteLine(line)) break;
    const former = parse(line.bytes.toString("utf8", 0, line.bytes.length - 1));
    if (former === undefined) damaged += 1;
    else if (now - former.at < windowMs) {
      const { key, fingerprint, answer } = former;
      await keep({ key, fingerprint, operation: crypto.randomUUID(), state: "done", answer });
    }
  }
  await rm(path, { force: true });
  return damaged;
}

function parse(text: string): Former | undefined {
  const json = text.slice(17);
  const checksum = Bun.hash.xxHash64(json).toString(16).padStart(16, "0");
  return text[16] === " " && checksum === text.slice(0, 16) ? (JSON.parse(json) as Former) : undefined;
}
