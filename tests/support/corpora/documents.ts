/** ingestd with all that documents need, in this thread: what is searched as well. */
import type { Config } from "../../../runtime/config/settings.ts";
import { ingestd } from "../../../workers/ingestd/contract.ts";
import { createIngestd } from "../../../workers/ingestd/service.ts";
import { type InProcess, startInProcess } from "../stacks/in-process.ts";
import { type Answer, startMatrixdStack } from "../stacks/matrixd.ts";

export type DocumentsStack = Awaited<ReturnType<typeof startDocumentsStack>>;

/** What is sent as one file. */
export interface Part {
  name: string;
  bytes: Uint8Array | string;
  type?: string;
}

export async function startDocumentsStack(settings: Partial<Config["ingestd"]> = {}) {
  const matrix = await startMatrixdStack();
  const { base } = matrix;
  const config: Config = {
    ...matrix.config,
    ingestd: { ...matrix.config.ingestd, threads: 2, ...settings },
  };
  const peers = {
    storaged: base.storaged.peer,
    catalogd: base.catalogd.peer,
    queryd: base.queryd.peer,
    matrixd: matrix.matrixd.peer,
  };
  const running: InProcess<typeof ingestd> = await startInProcess(
    { contract: ingestd, create: createIngestd },
    { config, peers },
  );
  const ask = async (method: string, path: string, init: RequestInit = {}): Promise<Answer> => {
    const response = await running.send(new Request(`http://localhost${path}`, { ...init, method }));
    return { status: response.status, headers: response.headers, body: await response.json() };
  };
  return {
    matrix,
    ingestd: running,
    storaged: base.storaged.peer.verbs,
    catalogd: base.catalogd.peer.verbs,
    directory: matrix.directory,
    ask,
    send: running.send,
    /** Sends files as a form. */
    load: (corpus: string, parts: readonly Part[], more = "", headers: Record<string, string> = {}) => {
      const form = new FormData();
      for (const { name, bytes, type = "" } of parts)
        form.append("file", new Blob([bytes as Uint8Array<ArrayBuffer>], { type }), name);
      return ask("POST", `/documents?corpus=${corpus}${more}`, { body: form, headers });
    },
    rows: async (sql: string): Promise<Record<string, unknown>[]> => {
      const response = await base.queryd.peer.fetch("/sql?numbers=json", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ sql }),
      });
      return (await response.json()) as Record<string, unknown>[];
    },
    /** Resolves when the corpus has what its dataset has. */
    built: async (corpus: string) => {
      for (;;) {
        const { version } = await base.catalogd.peer.verbs.manifest({ name: corpus });
        const found = await matrix.verbs.corpus({ name: corpus }).catch(() => undefined);
        if (found?.job_id === undefined && (found?.dataset_version ?? 0) >= version) return;
        if (found?.last_error) throw new Error(found.last_error);
        await Bun.sleep(20);
      }
    },
    stop: async () => {
      await running.stop();
      await matrix.stop();
    },
  };
}
