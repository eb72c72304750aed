/** ingestd with open tables: an engine beside it, and commits that others come before. */
import { expect } from "bun:test";
import { type IngestStack, startIngestStack } from "../stacks/ingestd.ts";
import { createEngineFiles, type EngineFiles } from "./engine-files.ts";
import { type Tables, tablesOf } from "./open-tables.ts";

// biome-ignore lint/suspicious/noExplicitAny: metadata as tests look at it.
type Metadata = any;

export interface OpenIngestStack extends IngestStack {
  tables: Tables;
  engine: EngineFiles;
  /** Done before the next commit reaches the catalog. */
  beforeCommit: (work: () => Promise<unknown>) => void;
  /** The table's metadata; names are of the namespace `open`. */
  load: (name: string) => Promise<Metadata>;
  /** A commit of an engine: updates of the table's metadata. */
  change: (name: string, ...updates: object[]) => Promise<void>;
  /** Takes a file whose ingest has to go well. */
  append: (
    name: string,
    csv: string,
    params?: string,
  ) => Promise<Awaited<ReturnType<IngestStack["ingest"]>>["answer"]>;
}

export async function startOpenIngestStack(): Promise<OpenIngestStack> {
  let before: (() => Promise<unknown>) | undefined;
  const stack = await startIngestStack(
    {},
    {
      catalogd: (verbs) => ({
        ...verbs,
        commit: async (...given) => {
          const first = before;
          before = undefined;
          await first?.();
          return verbs.commit(...given);
        },
      }),
    },
  );
  const tables = tablesOf(stack.iceberg, stack.storaged);
  const engine = await createEngineFiles(stack.storaged);
  const path = (name: string) => `/namespaces/open/tables/${name}`;
  return {
    ...stack,
    tables,
    engine,
    beforeCommit: (work) => {
      before = work;
    },
    load: async (name) => (await tables.ask("GET", path(name))).body.metadata,
    change: async (name, ...updates) => {
      const { status, body } = await tables.ask("POST", path(name), { requirements: [], updates });
      expect([status, body.error]).toEqual([200, undefined]);
    },
    append: async (name, csv, params = "&mode=append") => {
      const { answer, error } = await stack.ingest(name, csv, params);
      expect(error.message).toBe("");
      return answer;
    },
    stop: async () => {
      engine.close();
      await stack.stop();
    },
  };
}
