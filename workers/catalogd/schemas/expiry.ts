/** Which versions and objects are to be removed. */
import { closed, t } from "../../../runtime/contract/contract.ts";

/** The highest number that a version can have: eight digits keep the keys of manifests in order. */
export const versionMax = 99_999_999;

export const dryRun = {
  dry_run: t.Optional(t.Boolean({ description: "Says what would go, and removes nothing." })),
};

export const ExpiryAsked = closed({
  keep_versions: t.Integer({ minimum: 1, maximum: versionMax }),
  older_than_days: t.Number({ minimum: 0, maximum: 36_500 }),
  max_versions: t.Optional(
    t.Integer({
      minimum: 1,
      maximum: versionMax,
      description: "Of more versions the earliest go, however late they were replaced.",
    }),
  ),
  table_rules: t.Optional(
    t.Boolean({
      description:
        "Of an open table: false lets snapshots go that only its own history.expire properties, or a branch's, keep; what branches and tags name stays.",
    }),
  ),
  ...dryRun,
});
