/**
 * Statements whose result is bounded: few rows whatever the data. It is buffered, which DuckDB does faster than streaming
 * and with proper errors; all others are streamed, because buffered results know no memory limit.
 */

interface Node {
  type?: unknown;
  class?: unknown;
  function_name?: unknown;
  modifiers?: { type?: string; limit?: { class?: string; value?: { value?: unknown } } | null }[];
  select_list?: unknown[];
  group_expressions?: unknown[];
  group_sets?: unknown[];
  from_table?: { type?: string };
}

/** Rows of one of DuckDB's vectors: streaming holds as many in memory too. */
export const boundedRowsMax = 2048;

/** Aggregates of everyday use; one that is missing here is only streamed. */
const aggregates =
  /^(count(_star|_if|if)?|sum|min|max|avg|mean|median|mode|any_value|first|last|arg_(min|max)|(min|max)_by|approx_count_distinct|approx_quantile|quantile(_cont|_disc)?|stddev(_pop|_samp)?|var(_pop|_samp|iance)|bool_(and|or)|bit_(and|or|xor)|corr|covar_(pop|samp)|product|entropy|kurtosis|skewness|string_agg|group_concat|list|array_agg)$/i;

/** Functions that turn one row into many. */
const multiplying = /^(unnest|unlist|generate_subscripts|regexp_split_to_table)$/i;

/** Whether the query, as a syntax tree, gives at most `boundedRowsMax` rows. Says no where it cannot tell. */
export function givesBoundedResult(tree: unknown): boolean {
  const node = (tree ?? {}) as Node;
  if (node.modifiers?.some(isSmallLimit)) return true;
  if (node.type !== "SELECT_NODE" || some(node.select_list, multiplying)) return false;
  if (node.from_table?.type === "SHOW_REF" || node.from_table?.type === "EMPTY") return true;
  const grouped = (node.group_expressions?.length ?? 0) > 0 || (node.group_sets?.length ?? 0) > 0;
  return !grouped && some(node.select_list, aggregates);
}

const isSmallLimit = ({ type, limit }: NonNullable<Node["modifiers"]>[number]): boolean => {
  const count = limit?.class === "CONSTANT" ? limit.value?.value : undefined;
  return type === "LIMIT_MODIFIER" && typeof count === "number" && count <= boundedRowsMax;
};

/** Whether a function of the kind stands in the expressions themselves, not in a subquery or a window. */
function some(value: unknown, names: RegExp): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (Array.isArray(value)) return value.some((item) => some(item, names));
  const node = value as Node;
  if (node.class === "SUBQUERY" || node.class === "WINDOW") return false;
  if (node.class === "FUNCTION" && names.test(String(node.function_name))) return true;
  return Object.values(node).some((part) => some(part, names));
}
