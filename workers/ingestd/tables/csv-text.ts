/** CSV as this service writes it for DuckDB: every text in quotes, NULL as nothing. */

/** One row with its line end. */
export const csvLine = (fields: readonly (string | null)[]): string => `${fields.map(csvField).join(",")}\n`;

/** One field of it. */
export const csvField = (field: string | null): string =>
  field === null ? "" : `"${field.replaceAll('"', '""')}"`;
