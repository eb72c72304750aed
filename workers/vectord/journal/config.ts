/** What of an index's settings may change after it was made: where and how its vectors are searched, of which the log holds nothing. */
import type { Manifest } from "../lhv1/lhv1.ts";
import type { IndexConfig } from "../schemas/schemas.ts";

export interface ConfigChange extends Partial<Pick<IndexConfig, "quantization">> {
  memory?: NonNullable<IndexConfig["memory"]>;
  /** One of the configured engines, or none for null. */
  engine?: string | null;
}

/** Rows whose graph is elsewhere are read for a few hits of each search: unless it is said, they need not be in memory. */
export function changedConfig(config: IndexConfig, change: ConfigChange): IndexConfig {
  const { engine: before, ...own } = config;
  const { engine = before ?? null, memory, ...rest } = change;
  const isMoved = engine !== null && engine !== before;
  const kept = memory ?? (isMoved ? "graph" : undefined);
  return {
    ...{ ...own, ...rest },
    ...(kept !== undefined && kept !== (config.memory ?? "all") && { memory: kept }),
    ...(engine !== null && { engine }),
  };
}

/** The contents under other settings; what an engine built for them goes where it would be of another form. */
export function withConfig<C extends Pick<Manifest, "config" | "checkpoint">>(
  contents: C,
  config: IndexConfig,
): C {
  if (!contents.checkpoint || formOf(config) === formOf(contents.config)) return { ...contents, config };
  const { engine: _, ...checkpoint } = contents.checkpoint;
  return { ...contents, config, checkpoint };
}

const formOf = ({ engine, memory, quantization }: IndexConfig): string =>
  engine === undefined ? `${memory === "codes" ? memory : "graph"} ${quantization}` : "elsewhere";
