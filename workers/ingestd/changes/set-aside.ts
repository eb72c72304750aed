/** Rows that a change does not take: a version of the dataset of rejected rows, by the change's own commit. */
import { fail } from "../../../runtime/errors/errors.ts";
import { quoteText } from "../../../runtime/sql/sql.ts";
import { type IngestParts, rejectsSuffix } from "../jobs/jobs.ts";
import { checkRejectsName, refuseOpenRejects, stageObject, storeRejectedRows } from "../loading/loading.ts";
import { latestOf } from "./base.ts";
import type { Changed, Committing } from "./commit.ts";
import type { Rewriting } from "./rewrite.ts";

/** Throws where the dataset has none for its rejected rows. */
export async function asideOf(
  { name, max_rejects: asked }: { name: string; max_rejects?: number },
  { parts: { deps }, requestId }: { parts: IngestParts; requestId: string },
): Promise<(rewriting: Rewriting) => NonNullable<Committing["beside"]>> {
  checkRejectsName(name);
  const rejects = name + rejectsSuffix;
  const before = await latestOf(rejects, deps, requestId);
  refuseOpenRejects(name, before);
  const { max_rejects: configured, compression_level, row_group_rows } = deps.config.ingestd;
  const max = asked ?? configured;
  return (rewriting) =>
    async (version, { rows, paths }) => {
      if (rows > max)
        throw fail(
          "rejected_rows",
          `${rows} rows have values that do not hold (max_rejects is ${max}); nothing was changed`,
          { details: { rows_rejected: rows } },
        );
      if (rows === 0) return { objects: [] };
      const { directory } = rewriting;
      const newTarget = async () => {
        const { storaged } = deps.peers;
        const target = await stageObject({ storaged, newId: deps.newId, directory, requestId });
        rewriting.staged.push(target);
        return { ...target, compressionLevel: compression_level, rowGroupRows: row_group_rows };
      };
      const relation = `read_parquet([${paths.map(quoteText).join(", ")}], hive_partitioning = false)`;
      const origin = { file: undefined, job: undefined, version };
      return storeRejectedRows(
        rewriting.session,
        { relation, count: rows, digest: Bun.SHA256.hash(deps.newId(), "hex"), origin },
        { ...{ name: rejects, mode: "append", before, deps, requestId }, newTarget },
      );
    };
}

/** What the answer says of them. */
export const rejectedOf = (name: string, { rowsRejected }: Changed, isDry: boolean) => ({
  ...(rowsRejected !== undefined && { rows_rejected: rowsRejected }),
  ...(!isDry && rowsRejected !== undefined && rowsRejected > 0 && { rejects: name + rejectsSuffix }),
});
