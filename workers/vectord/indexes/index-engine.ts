/** The engine of one generation: here, or in an engine of others with exact comparisons here. */
import type { Engine, EngineSpec, Engines } from "../engine/engine.ts";
import type { Replica } from "../remote/remote.ts";
import type { Rows } from "../rows/rows.ts";
import type { IndexConfig } from "../schemas/schemas.ts";

/** What of it is searched in this process: all, or what the other engine does not have, row by row. */
export function localSpec(config: IndexConfig): EngineSpec {
  if (config.engine === undefined) return config;
  const { memory: _, ...spec } = config;
  return { ...spec, type: "flat" };
}

export async function openEngine(
  engines: Engines,
  config: IndexConfig,
  { rows, replica }: { rows: Rows; replica: Replica | undefined },
): Promise<Engine> {
  const local = await engines.open(localSpec(config), rows.blocks);
  return replica ? replica.over(rows, local) : local;
}
