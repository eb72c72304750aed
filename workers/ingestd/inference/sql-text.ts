/** Text that becomes part of a SQL statement. */

/** A string literal. */
export const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;

/** A quoted name. */
export const identifier = (name: string): string => `"${name.replaceAll('"', '""')}"`;
