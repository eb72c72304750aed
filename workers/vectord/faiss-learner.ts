/** The process that FAISS learns in: one lesson as JSON in its argument. Ends with 3 and an error as JSON, if any. */
import { readFileSync, writeSync } from "node:fs";
import { toWire } from "../../runtime/errors.ts";
import { writeFaissStart } from "./faiss-engine.ts";
import type { Lesson } from "./faiss-learning.ts";

const { spec, factory, sample, start } = JSON.parse(process.argv[2] ?? "") as Lesson;
try {
  const bytes = readFileSync(sample);
  writeFaissStart(spec, factory, new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4), start);
} catch (error) {
  writeSync(1, JSON.stringify(toWire(error)));
  if (error instanceof Error) writeSync(2, error.stack ?? error.message);
  process.exitCode = 3;
}
