/** Counts, ids of fields, and what is known of a column in a file. */
import { closed, t } from "../../../runtime/contract/contract.ts";

/** Exact in JSON, in INT64 and as a JavaScript number. */
export const Count = t.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
export const FieldId = t.Integer({ minimum: 1, maximum: 2_147_483_647 });

/** Per column, as DuckDB's RETURN_STATS gives them: bounds as text, because that is exact for every type. */
export const ColumnStatistics = closed({
  column: t.String(),
  field_id: FieldId,
  null_count: t.Optional(Count),
  value_count: t.Optional(Count),
  compressed_bytes: t.Optional(Count),
  min: t.Optional(t.String()),
  max: t.Optional(t.String()),
});
