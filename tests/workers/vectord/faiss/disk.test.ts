/** FAISS on a disk that is full: it ends the process where it writes to a disk itself. */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { clustered } from "../../../../scripts/sample-data/make-vectors.ts";
import { createVectorBlocks } from "../../../../workers/vectord/rows/vector-blocks.ts";
import { makeSmallDisk, mountable } from "../../../support/faults/small-disk.ts";
import { testEngines } from "../../../support/vectors/engines.ts";

test.skipIf(!mountable.includes("tmpfs"))(
  "a save to a full disk is refused by name at any byte, and the index is searched and saved on",
  async () => {
    const disk = makeSmallDisk("tmpfs", 8 * 1024 * 1024);
    const engines = await testEngines({ hnswEngine: "faiss" });
    try {
      const dimension = 32;
      const { vectors } = clustered(2000, dimension, 1, 7);
      const blocks = createVectorBlocks(dimension);
      blocks.append(vectors);
      const build = { connectivity: 16, ef_construction: 40, ef_search: 40 };
      const spec = { dimension, metric: "l2", type: "hnsw", quantization: "f32", ...build } as const;
      const engine = await engines.open(spec, blocks);
      await engine.add(2000);
      const file = join(disk.path, "index");
      for (const leave of [0, 4096, 100_000, 300_000]) {
        disk.fill(leave);
        const refused = await engine.save?.(file).catch((reason: unknown) => reason);
        disk.empty();
        expect(refused).toMatchObject({ type: "storage_full" });
      }
      expect(await engine.save?.(file)).toBe(2000);
    } finally {
      await engines.stop();
      disk.remove();
    }
  },
);
