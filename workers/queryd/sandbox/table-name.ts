/**
 * What may stand where a table is read. DuckDB takes a name that it does not know for a file when it holds a dot and a
 * known ending; a name without dot, slash, colon and wildcards is no path, no URL and no pattern, whatever it means.
 */
export const isTableName = (name: string): boolean => /^[\p{L}\p{M}\p{N}_$@# -]+$/u.test(name);
