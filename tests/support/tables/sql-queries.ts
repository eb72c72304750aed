/** Sixty queries over a dataset `jobs` (id, title, price, posted, active), whose values every door must give alike. */
const values = [
  ...["1", "(-32768)::SMALLINT", "9223372036854775807", "170141183460469231731687303715884105727::HUGEINT"],
  ...["18446744073709551615::UBIGINT", "255::UTINYINT", "65535::USMALLINT", "4294967295::UINTEGER"],
  ...["1.5::DOUBLE", "-0.1::DOUBLE", "1e300::DOUBLE", "1e-7::DOUBLE", "0.1::FLOAT", "12.340::DECIMAL(9,3)"],
  ...["-0.01::DECIMAL(38,2)", "99999999999999999999.5::DECIMAL(38,1)", "0::DECIMAL(5,5)", "true", "false"],
  ...["'x'", "''", "'ü ß 漢字 🚀'", "'a,b\"c''d'", "E'line\\nend\\ttab'", "'{\"a\":[1,2]}'::JSON"],
  ...[
    "DATE '2024-02-29'",
    "DATE '0001-01-01'",
    "DATE '9999-12-31'",
    "TIME '23:59:59.999999'",
    "TIME '00:00:00'",
  ],
  ...["TIMESTAMP '2024-02-03 04:05:06.789'", "TIMESTAMP '1969-12-31 23:59:59.999999'"],
  ...["TIMESTAMPTZ '2024-02-03 04:05:06+02'", "'0f0e0d0c-0b0a-0908-0706-050403020100'::UUID", "NULL"],
  ...["NULL::INTEGER", "'infinity'::DATE", "INTERVAL '1 year 2 months 3 days 04:05:06.5'"],
];

const questions = [
  "SELECT count(*) AS n FROM jobs",
  "SELECT id, title, price, posted, active FROM jobs ORDER BY id LIMIT 5",
  "SELECT sum(price) AS s, avg(price) AS a, min(posted) AS first, max(posted) AS last FROM jobs",
  "SELECT active, count(*) AS n, sum(id) AS s FROM jobs GROUP BY active ORDER BY active",
  "SELECT posted, count(*) AS n FROM jobs GROUP BY ALL ORDER BY posted LIMIT 10",
  "SELECT date_trunc('month', posted) AS m, count(*) AS n FROM jobs GROUP BY 1",
  "SELECT title FROM jobs WHERE title LIKE '%99%' ORDER BY id",
  "SELECT id FROM jobs WHERE price BETWEEN 10 AND 20 ORDER BY id",
  "SELECT a.id, b.title FROM jobs a JOIN jobs b ON a.id = b.id + 1 ORDER BY a.id LIMIT 3",
  "WITH few AS (SELECT * FROM jobs WHERE id < 3) SELECT count(*) AS n FROM few",
  "SELECT id, row_number() OVER (ORDER BY price DESC) AS place FROM jobs ORDER BY id LIMIT 3",
  "SELECT list(id ORDER BY id) AS ids FROM jobs WHERE id < 4",
  "SELECT list(title ORDER BY id) AS titles FROM jobs WHERE id < 2",
  "SELECT string_agg(title, ';' ORDER BY id) AS t FROM jobs WHERE id < 3",
  "SELECT DISTINCT extract('year' FROM posted) AS y FROM jobs",
  "SELECT CASE WHEN id % 2 = 0 THEN 'even' ELSE 'odd' END AS kind, count(*) AS n FROM jobs GROUP BY 1 ORDER BY 1",
  "SELECT id FROM jobs WHERE id IN (SELECT max(id) FROM jobs)",
  "SELECT upper(title) AS u, length(title) AS l FROM jobs ORDER BY id LIMIT 2",
  "FROM jobs SELECT id WHERE id = 7",
  "VALUES (1, 'a'), (2, 'b')",
  "SELECT id FROM jobs WHERE false",
  "SELECT median(price) AS m, stddev(id) AS s FROM jobs",
];

export const sqlQueries: readonly string[] = [...values.map((value) => `SELECT ${value} AS v`), ...questions];
