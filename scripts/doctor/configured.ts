/** Everything that depends on the configuration, probed at once. */
import type { Config, LoadedConfig } from "../../runtime/config/config.ts";
import { bucketProbes } from "./buckets.ts";
import { bounded, type Check } from "./check.ts";
import { binds, readConfiguration, secrets } from "./configuration.ts";
import { engineProbes } from "./engines.ts";
import { units } from "./installation.ts";
import { clock, cores, memory, openFiles } from "./machine.ts";
import { dataDirectory, fileLocks, owner } from "./places.ts";
import { ports } from "./ports.ts";
import { chatProbes, embeddingProbes, otlpExport } from "./providers.ts";
import { folders } from "./store.ts";
import { tokenInUse, tokens } from "./tokens.ts";
import { faiss } from "./toolchain.ts";

/** The checks in a fixed order, whichever is done first. */
export async function probeConfigured(root: string, file: string | undefined): Promise<Check[]> {
  const { checks, loaded } = readConfiguration(root, file);
  const machine = [
    bounded("cores", false, cores),
    bounded("open files", false, () => openFiles()),
    bounded("clock", true, () => clock(root)),
    bounded("systemd units", false, () => units()),
  ];
  if (loaded === undefined) {
    const rest = [bounded("faiss", false, () => faiss(root, false)), ...machine];
    return [...checks, ...(await Promise.all(rest)).flat()];
  }
  const { config } = loaded;
  const rest = [
    ...machine,
    ...guards(root, file, loaded),
    ...disk(config),
    addresses(root, file, config),
    ...models(config),
    ...engineProbes(config).map(({ name, probe }) => bounded(name, true, probe)),
    bounded("faiss", isFaissWanted(config), () => faiss(root, isFaissWanted(config))),
  ];
  return [...checks, ...(await Promise.all(rest)).flat()];
}

const isFaissWanted = ({ vectord }: Config): boolean => vectord.hnsw_engine === "faiss";

const guards = (root: string, file: string | undefined, loaded: LoadedConfig): Promise<Check[]>[] => [
  bounded("memory", false, () => memory(loaded.config)),
  bounded("bind gate", true, () => binds(loaded.config)),
  bounded("tokens", true, () => tokens(root, file, loaded)),
  bounded("secrets", true, () => secrets(loaded.config)),
];

const disk = (config: Config): Promise<Check[]>[] => [
  bounded("data directory", true, () => dataDirectory(config)),
  bounded("file locks", true, () => fileLocks(config)),
  bounded("store", true, () => folders(config)),
];

/** Whether storaged answers already decides how buckets are probed, and whether the data directory's owner is we. */
async function addresses(root: string, file: string | undefined, config: Config): Promise<Check[]> {
  const found = await ports(config);
  const answers = found.some(({ url }) => url !== undefined);
  const storaged = found.find(({ service }) => service === "storaged")?.url;
  const buckets = bucketProbes({ root, config, file, storaged });
  const later = [
    bounded("token in use", true, () => tokenInUse(config, found)),
    bounded("data owner", true, () => owner(config, answers)),
    ...buckets.map(({ name, probe }) => bounded(name, true, probe)),
  ];
  return [...found.map(({ check }) => check), ...(await Promise.all(later)).flat()];
}

const models = (config: Config): Promise<Check[]>[] => [
  ...[...embeddingProbes(config), ...chatProbes(config)].map(({ name, required, probe }) =>
    bounded(name, required, probe),
  ),
  bounded("trace export", config.observerd.otlp_export_url !== "", () => otlpExport(config)),
];
