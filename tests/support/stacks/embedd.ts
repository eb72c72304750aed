/** embedd in this thread, with its two model servers as processes. */
import { embedd } from "../../../workers/embedd/contract.ts";
import { createEmbedd } from "../../../workers/embedd/service.ts";
import type { FakeServer } from "../model-servers/fake-server.ts";
import { startOllama } from "../model-servers/ollama.ts";
import { openAiKey, startOpenAiServer } from "../model-servers/openai.ts";
import { configWith, type InProcess, startInProcess, temporaryDirectory } from "./in-process.ts";

export interface EmbeddStack {
  service: InProcess<typeof embedd>;
  ollama: FakeServer;
  openai: FakeServer;
  /** Another service over the same servers. */
  another: (changes: Changes) => Promise<InProcess<typeof embedd>>;
  /** The value of a metric, labels and all: `embedd_cache_hits_total`. */
  metric: (series: string) => Promise<number>;
  stop: () => Promise<void>;
}

type Changes = NonNullable<Parameters<typeof configWith>[0]["embedd"]>;

export async function startEmbeddStack(changes: Changes = {}): Promise<EmbeddStack> {
  const directory = temporaryDirectory("embedd");
  const [ollama, openai] = await Promise.all([startOllama(), startOpenAiServer()]);
  const services: InProcess<typeof embedd>[] = [];
  const another = async (more: Changes) => {
    const urls = { ollama_url: ollama.url, openai_url: `${openai.url}/v1` };
    const off = { enabled: false };
    const config = configWith({
      data_dir: directory.path,
      embedd: { ...urls, ...more },
      providers: { ollama_cloud: off, openrouter: off, opencode: off, kimi: off },
    });
    const secrets = { s3: () => undefined, provider: () => openAiKey };
    const service = await startInProcess(
      { contract: embedd, create: createEmbedd },
      { config, peers: {}, secrets },
    );
    services.push(service);
    return service;
  };
  const service = await another(changes);
  return {
    service,
    ollama,
    openai,
    another,
    metric: async (series) => {
      const page = await (await service.send(new Request("http://localhost/metrics"))).text();
      const line = page.split("\n").find((text) => text.startsWith(`lakehouse_${series} `));
      return Number(line?.split(" ").at(-1) ?? 0);
    },
    stop: async () => {
      for (const each of services) await each.stop();
      await Promise.all([ollama.stop(), openai.stop()]);
      directory.remove();
    },
  };
}
