/** The product's time limits in tests whose subject is not time: so long that a busy machine meets none. */
import { isSetting } from "../../../runtime/config/setting.ts";
import { type Config, settings } from "../../../runtime/config/settings.ts";

const patientMs = 600_000;
/** A drain is no wait for something: what keeps a test's connection open would only make its end slow. */
const impatient = new Set(["stop_timeout_ms"]);

/** Every `*_timeout_ms` of every section, as long as it may be, up to ten minutes. */
const limits = Object.entries(settings).flatMap(([section, table]) =>
  isSetting(table)
    ? []
    : Object.entries(table).flatMap(([key, { kind, default: before, max }]) =>
        kind === "integer" && key.endsWith("timeout_ms") && !impatient.has(key)
          ? [{ section, key, ms: Math.max(before, Math.min(max, patientMs)) }]
          : [],
      ),
);

/** The sections with their limits, over `base`. */
export function withLongTimeouts(base: Config): Config {
  const config = structuredClone(base) as unknown as Record<string, Record<string, number>>;
  for (const { section, key, ms } of limits) (config[section] ?? {})[key] = ms;
  return config as unknown as Config;
}

/** The same for a product in a process of its own. */
export const longTimeoutsEnv: Readonly<Record<string, string>> = Object.fromEntries(
  limits.map(({ section, key, ms }) => [`LH_${section}_${key}`.toUpperCase(), String(ms)]),
);
