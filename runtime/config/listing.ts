/** Every setting with its value and where that came from, and no secret. */
import { withoutSecrets } from "../telemetry/telemetry.ts";
import { defaults, isSecret, keys, type Provenance } from "./loading.ts";
import type { Config } from "./settings.ts";

export interface ListedSetting {
  key: string;
  doc: string;
  /** `default`, a file, a variable or a flag. */
  source: string;
  /** Absent where it is a secret. */
  value?: unknown;
  default?: unknown;
  /** Of a secret: whether there is one. */
  is_set?: boolean;
}

export function listSettings(config: Config, provenance: Provenance): ListedSetting[] {
  const builtIn = defaults();
  return [...keys].map(([key, setting]) => {
    const value = valueAt(config, key);
    const listed = { key, doc: setting.doc, source: provenance.keys[key] ?? "default" };
    if (isSecret(setting)) return { ...listed, is_set: (value as string | readonly string[]).length > 0 };
    return { ...listed, value: withoutSecrets(value), default: valueAt(builtIn, key) };
  });
}

function valueAt(config: Config, key: string): unknown {
  const [section = "", name] = key.split(".");
  const table: unknown = Object(config)[section];
  return name === undefined ? table : Object(table)[name];
}
