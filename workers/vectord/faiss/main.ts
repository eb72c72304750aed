/** The program of a child process with FAISS. */
import { readFileSync } from "node:fs";
import { serveChild } from "../../../runtime/child-main/child-main.ts";
import type { EngineSpec } from "../engine/engine.ts";
import { openFaiss, probeFaissType, writeFaissStart } from "../native/native.ts";
import { createSharedRows, createVectorBlocks } from "../rows/rows.ts";
import { type FaissWork, faissWork } from "./child.ts";
import { triedRows } from "./learning.ts";

await serveChild<FaissWork>(faissWork, async () => ({
  verbs: {
    probe: async ({ spec, factory }) => {
      probeFaissType(spec, factory);
      return null;
    },
    train: async ({ spec, factory, sample, start }) => {
      const bytes = readFileSync(sample);
      const vectors = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
      writeFaissStart(spec, factory, vectors, start);
      tryOut(spec, start, vectors.subarray(0, triedRows * spec.dimension));
      return null;
    },
  },
}));

/** All that vectord's own process will do with the index: what crashes or never ends does so here first. */
function tryOut(spec: EngineSpec, start: string, vectors: Float32Array): void {
  const blocks = createVectorBlocks(spec.dimension);
  blocks.append(vectors);
  const shared = createSharedRows(spec.dimension, blocks.share(0));
  const index = openFaiss(spec, shared, start);
  index.add(blocks.rows());
  const written = `${start}.tried`;
  index.write(written);
  openFaiss(spec, shared, written).search(vectors, Math.max(spec.ef_search, 1));
}
