/** The program of the child process that runs models in ONNX's form. */
import { serveChild } from "../child-main/child-main.ts";
import type { VerbsOf } from "../contract/contract.ts";
import { fail, ServiceError } from "../errors/errors.ts";
import { transferring } from "../rpc/rpc.ts";
import { type OnnxWork, onnxWork } from "./child.ts";
import { type Loaded, loadModel, openGraph } from "./inference.ts";
import { createPieces } from "./pieces.ts";
import { readModelRecord } from "./record.ts";

/** Models in memory at once; the one that was not asked for longest leaves. */
const loadedMax = 4;

function createWork(threads: number): VerbsOf<OnnxWork> {
  /** By folder and what its record says: another model of the same name is another one. */
  const loaded = new Map<string, Promise<Loaded>>();
  const modelAt = async (folder: string): Promise<Loaded> => {
    const record = await readModelRecord(folder);
    if (record === undefined) throw fail("not_found", "the model was removed");
    const key = `${folder}\n${JSON.stringify(record.files)}`;
    const model = loaded.get(key) ?? loadModel(folder, record, threads);
    loaded.delete(key);
    loaded.set(key, model);
    const [oldest] = loaded.keys();
    if (loaded.size > loadedMax && oldest !== undefined) {
      const left = loaded.get(oldest);
      loaded.delete(oldest);
      void left?.then(({ release }) => release());
    }
    return model.catch((cause) => {
      loaded.delete(key);
      throw cause;
    });
  };
  return {
    look: async ({ folder, graph }) => {
      const opened = openGraph(folder, graph, threads).catch((cause: unknown) => {
        if (cause instanceof ServiceError) throw cause;
        const words = (cause instanceof Error ? cause.message : String(cause)).slice(0, 500);
        throw fail("unprocessable", `${graph} or its tokenizer.json cannot be loaded: ${words}`, { cause });
      });
      const { session, tokenizer, run } = await opened;
      try {
        const [piece] = createPieces(tokenizer, 512).ofText("a text of a few words", 0);
        const answer = await run(piece ? [piece] : []);
        const outputs = Object.entries(answer).map(([name, { dims }]) => ({ name, sizes: [...dims] }));
        return { inputs: [...session.inputNames], outputs, tokens: piece?.ids.length ?? 0 };
      } finally {
        await session.release();
      }
    },
    embed: async ({ folder, texts }, { signal }) => {
      const { vectors, ...counts } = await (await modelAt(folder)).embed(texts, signal);
      const bytes = new Uint8Array(vectors.buffer);
      return transferring({ vectors: bytes, ...counts }, [bytes.buffer]);
    },
    score: async ({ folder, query, texts }, { signal }) =>
      (await modelAt(folder)).score(query, texts, signal),
  };
}

await serveChild(onnxWork, async ({ threads }: { threads: number }) => ({ verbs: createWork(threads) }));
