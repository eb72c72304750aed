/** An index as its description shows it. */
import type { Static } from "@sinclair/typebox";
import { invertedLists } from "../engine/engine.ts";
import type { Journal } from "../journal/journal.ts";
import type { IndexConfig, IndexInfo } from "../schemas/schemas.ts";
import type { Generation } from "./generation.ts";

function ivfOf(config: IndexConfig, covered: number): Pick<Static<typeof IndexInfo>, "ivf"> {
  const lists = invertedLists(config);
  return lists ? { ivf: { ...lists, trained: covered > 0 } } : {};
}

/** What is said of an open index, but for its aliases. */
export function infoOf(
  config: IndexConfig,
  { rows, engine }: Generation,
  journal: Journal,
  problems: readonly string[],
): Omit<Static<typeof IndexInfo>, "aliases"> {
  const present = [engine.problem(), rows.blocks.problem()].filter((problem) => problem !== undefined);
  const all = [...problems, ...present];
  const vectorBytes = rows.blocks.bytes() + engine.memoryBytes();
  return {
    ...config,
    memory: config.memory ?? "all",
    vector_bytes: Math.round(vectorBytes / Math.max(1, rows.total())),
    engine: engine.name,
    count: rows.live(),
    deleted: rows.total() - rows.live(),
    indexed: engine.covered(),
    ...ivfOf(config, engine.covered()),
    memory_bytes: rows.bytes() + vectorBytes,
    stored_bytes: journal.storedBytes(),
    ...(all.length > 0 && { problems: all }),
  };
}
