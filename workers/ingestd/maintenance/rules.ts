/** What maintenance goes by: the settings, or what a caller says in their place. */
import type { Config } from "../../../runtime/config/config.ts";
import { invalidField } from "../../../runtime/errors/errors.ts";

export interface Rules {
  targetBytes: number;
  minObjects: number;
  keepVersions: number;
  keepDays: number;
  maxVersions: number;
  orphanGraceDays: number;
}

/** As a caller gives them; what is absent is as the settings say. */
export interface AskedRules {
  target_bytes?: number;
  min_objects?: number;
  keep_versions?: number;
  older_than_days?: number;
  max_versions?: number;
  orphan_grace_days?: number;
}

/** Throws `invalid_field` where fewer versions may be kept at most than at least. */
export function rulesOf({ catalogd }: Pick<Config, "catalogd">, asked: AskedRules = {}): Rules {
  const rules = {
    targetBytes: asked.target_bytes ?? catalogd.compact_target_bytes,
    minObjects: asked.min_objects ?? catalogd.compact_min_objects,
    keepVersions: asked.keep_versions ?? catalogd.keep_versions,
    keepDays: asked.older_than_days ?? catalogd.keep_days,
    maxVersions: asked.max_versions ?? catalogd.max_versions,
    orphanGraceDays: asked.orphan_grace_days ?? catalogd.orphan_grace_days,
  };
  if (rules.maxVersions >= rules.keepVersions) return rules;
  throw invalidField(
    "max_versions",
    `expected at least keep_versions, which is ${rules.keepVersions}, got ${rules.maxVersions}`,
  );
}
