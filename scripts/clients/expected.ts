/** What every client is asked, and what it must find. */

/** A value of each type. */
export const typesSql = `SELECT 7::SMALLINT AS small, 8::INTEGER AS whole, 9007199254740993::BIGINT AS big, 1.5::DOUBLE AS double,
  12.34::DECIMAL(9,2) AS exact, 'ü' AS words, true AS yes, DATE '2024-02-03' AS day, TIMESTAMP '2024-02-03 04:05:06.5' AS moment,
  '0f0e0d0c-0b0a-0908-0706-050403020100'::UUID AS id, [1, 2, NULL] AS list, NULL AS nothing`;

/** As texts that each client's own values are printed as. */
export const expected = {
  count: "1000",
  filtered: ["title 7"],
  types: [
    ...["7", "8", "9007199254740993", "1.5", "12.34", "ü", "true", "2024-02-03", "2024-02-03 04:05:06.5"],
    ...["0f0e0d0c-0b0a-0908-0706-050403020100", "1,2,null", "null"],
  ],
  tables: ["things"],
  columns: ["id", "title", "price", "posted", "active"],
  error: "42P01",
};
export type Expected = typeof expected;
