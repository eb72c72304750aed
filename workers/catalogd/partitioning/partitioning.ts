/** Partitions and sort orders of tables: how rows of ours are laid out, and what manifests say of it. Pure. */
export { type Layout, layoutOf } from "./layout.ts";
export {
  avroFields,
  type PartitionField,
  partitionRecord,
  partitionValue,
  summaries,
} from "./partition-values.ts";
