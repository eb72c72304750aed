/**
 * Statements that end, hang or bloat a plain DuckDB, or did so once: depth, width, repetition and values out of all
 * proportion to their text. Each is put together by code, so that none is large here.
 */

const times = (count: number, each: (at: number) => string, between = ", "): string =>
  Array.from({ length: count }, (_, at) => each(at)).join(between);
const nested = (open: string, inside: string, close: string, levels: number): string =>
  open.repeat(levels) + inside + close.repeat(levels);
/** Each part names the one before it twice: it stands for 2^count readings of the first. */
const doubledCtes = (count: number): string =>
  `WITH c0 AS (SELECT 1 AS n), ${times(count, (at) => `c${at + 1} AS (SELECT a.n FROM c${at} a, c${at} b)`)} SELECT count(*) FROM c${count}`;

const deepJson = "(repeat('[', 50000) || repeat(']', 50000))";
const deepObjects = `(repeat('{"a":', 50000) || '1' || repeat('}', 50000))`;
const nines = (count: number) => `repeat('9', ${count})`;

const json = {
  "structure of deep JSON": `SELECT json_structure(${deepJson})`,
  "structure of deep JSON, by group": `SELECT json_group_structure(${deepJson}) FROM range(3)`,
  "patch with deep JSON": `SELECT json_merge_patch(${deepObjects}, ${deepObjects})`,
  "deep JSON written prettily": `SELECT json_pretty(${deepJson})`,
  "deep JSON within itself": `SELECT json_contains(${deepJson}, ${deepJson})`,
  "deep JSON as VARIANT": `SELECT ${deepJson}::JSON::VARIANT`,
  "every path of deep JSON": `SELECT json_extract(${deepObjects}, '$..*')`,
  "paths within paths of deep JSON": `SELECT json_extract(${deepObjects}, '$..*..*..a')`,
  "a path of 100,000 steps": `SELECT json_extract(${deepJson}, '$' || repeat('[0]', 100000))`,
  "100,000 paths": `SELECT json_extract('{"a":1}', list_transform(range(100000), lambda x: '$.a'))`,
  "a tree of deep JSON": `SELECT count(*) FROM json_tree(${deepJson})`,
  "a tree of a giant list": `SELECT sum(length(fullkey)) FROM json_tree('[' || repeat('[1],', 250000) || '1]')`,
  "a structure that nests deep": `SELECT json_transform('{}', '${nested('{"a":', '"INT"', "}", 5000)}')`,
  "deep JSON as lists": `SELECT ${deepJson}::JSON::INTEGER${"[]".repeat(1000)}`,
  "a deep tree of SQL": `SELECT json_serialize_sql('SELECT ${nested("(", "1", ")", 50000)}')`,
  "SQL of a deep tree": `SELECT json_deserialize_sql(${deepObjects})`,
  "keys of deep JSON": `SELECT json_keys(${deepObjects}), json_valid(${deepObjects}), json_type(${deepObjects})`,
  "a giant JSON object from lists":
    "SELECT length(json_object('a', range(1000000))::VARCHAR || json_array(range(1000000))::VARCHAR)",
};

const patterns = {
  "LIKE with 22 wildcards": "SELECT repeat('a', 200) LIKE repeat('%_a', 22) || 'b'",
  "ILIKE with 22 wildcards": "SELECT repeat('A', 200) ILIKE repeat('%_a', 22) || 'b'",
  "GLOB with 30 stars": "SELECT repeat('a', 300) GLOB repeat('*a', 30) || 'b'",
  "LIKE … ESCAPE with wildcards": "SELECT repeat('a', 300) LIKE (repeat('%a', 40) || 'b') ESCAPE '!'",
  "an expression of 1000 options": "SELECT regexp_matches(repeat('a', 30), '(a?){1000}b')",
  "repetitions of repetitions": "SELECT regexp_matches(repeat('a', 1000), '((a{1,30}){1,30}){1,30}b')",
  "an expression that nests": `SELECT regexp_matches('a', '${nested("(", "a", ")", 20000)}')`,
  "an expression of a megabyte": "SELECT regexp_matches('a', repeat('a?', 500000))",
  "a million empty matches": "SELECT regexp_extract_all(repeat('a', 1000000), '(a*)*')",
  "replacement by a megabyte at a million places":
    "SELECT length(regexp_replace(repeat('a', 1000000), 'a', repeat('b', 1000000), 'g'))",
  "SIMILAR TO with nested stars": "SELECT repeat('a', 10000) SIMILAR TO '((a*)*)*b'",
  "a split at everything": "SELECT length(regexp_split_to_array(repeat('a', 1000000), '')) FROM range(100)",
};

const texts = {
  "distance of long texts": "SELECT levenshtein(repeat('a', 200000), repeat('b', 200000))",
  "distance with transpositions": "SELECT damerau_levenshtein(repeat('a', 20000), repeat('b', 20000))",
  "likeness of long texts": "SELECT jaro_winkler_similarity(repeat('ab', 400000), repeat('ba', 400000))",
  "replace by a megabyte at a million places":
    "SELECT length(replace(repeat('a', 1000000), 'a', repeat('b', 1000000)))",
  "100,000 texts of a megabyte":
    "SELECT length(list_transform(range(100000), x -> repeat('x', 1000000))::VARCHAR)",
  "a text doubled 60 times":
    "SELECT length(list_reduce(list_transform(range(60), x -> 'aaaaaaaa'), (x, y) -> x || x))",
  "texts joined by a megabyte":
    "SELECT length(array_to_string(range(1000000)::VARCHAR[], repeat('x', 1000000)))",
  "texts of a megabyte aggregated": "SELECT string_agg(repeat('x', 1000000)) FROM range(50000)",
  "a list's texts aggregated by a megabyte":
    "SELECT length(list_aggregate(range(1000000)::VARCHAR[], 'string_agg', repeat('x', 1000000)))",
  "a bar of 2 GB": "SELECT length(bar(1, 0, 1, 2000000000))",
  "a bar of a million a row": "SELECT sum(length(bar(1, 0, 1, 1000000))) FROM range(100000)",
  "a number of 2 GB of digits": "SELECT length(to_base(1, 2, 2000000000))",
  "a width taken from an argument": "SELECT length(format('{:{}}', 'x', 2000000000))",
  "a width taken from a column":
    "SELECT length(format(p, 'x')) FROM (SELECT '{:2000000000}' AS p FROM range(2))",
  "printf with a width from an argument": "SELECT length(printf('%*d', 2000000000, 1))",
  "a date format of a megabyte":
    "SELECT length(strftime(TIMESTAMP '2024-01-01', repeat('%A %B ', 150000))) FROM range(1000)",
  "a zone's name of a megabyte": "SELECT now() AT TIME ZONE repeat('A', 1000000)",
  "a calendar's name of a megabyte":
    "SELECT strptime(repeat('2024-01-01 ', 90000), repeat('%Y-%m-%d ', 90000))",
  "a megabyte by a language's order": "SELECT max(repeat('ä', 400000) || range COLLATE de) FROM range(2000)",
  "composed and decomposed":
    "SELECT length(nfc_normalize(repeat(chr(769), 500000))), length(strip_accents(repeat('é', 400000)))",
  "clusters of a megabyte of accents":
    "SELECT length_grapheme(repeat('e' || chr(769), 300000)), reverse(repeat(chr(8205) || '👨', 100000))",
  "parts of a text by each place":
    "SELECT count(*) FROM (SELECT substring_grapheme(repeat('👨‍👩‍👧', 40000), range) FROM range(100000))",
  "hex of hex of hex": `SELECT length(${nested("hex(", "repeat('a', 1000000)", ")", 12)})`,
  "an error of a megabyte": "SELECT error(repeat('x', 1000000))",
  "translate by a megabyte":
    "SELECT translate(repeat('abc', 300000), repeat('abc', 300000), repeat('x', 900000)) FROM range(1000)",
};

const casts = {
  "a big number of 300,000 digits": `SELECT ${nines(300_000)}::BIGNUM`,
  "a big number of a megabyte": `SELECT ${nines(1_000_000)}::BIGNUM`,
  "a million digits as DECIMAL": `SELECT ${nines(1_000_000)}::DECIMAL(38, 0), ${nines(1_000_000)}::DOUBLE`,
  "a giant exponent": "SELECT '1e2147483647'::DECIMAL(38, 10), '1e-2147483648'::DECIMAL(38, 10)",
  "a giant factorial": "SELECT factorial(2147483647)",
  "brackets as a list of lists": `SELECT repeat('[', 1000000)::INTEGER${"[]".repeat(12)}`,
  "brackets as a struct": "SELECT repeat('{a:', 300000)::STRUCT(a INTEGER)",
  "a map of a million keys": "SELECT cardinality(map(range(1000000), range(1000000))) FROM range(1000)",
  "a map of text with a million keys":
    "SELECT ('{' || repeat('a=1,', 250000) || 'b=1}')::MAP(VARCHAR, INTEGER)",
  "bits of a megabyte":
    "SELECT bit_count(repeat('1', 1000000)::BIT | repeat('0', 1000000)::BIT) FROM range(10000)",
  "bits out of all range":
    "SELECT length(bitstring_agg(x, 0, 9000000000000000000)) FROM (VALUES (1), (2)) t(x)",
  "bits shifted far": "SELECT (repeat('1', 1000000)::BIT << 900000)::VARCHAR FROM range(3000)",
  "an ENUM of 50,000": `SELECT 'e1'::ENUM(${times(50_000, (at) => `'e${at}'`)})`,
  "a type of 10,000 levels": `SELECT NULL::INTEGER${"[]".repeat(10_000)}`,
  "a struct type of 5,000 levels": `SELECT NULL::${nested("STRUCT(a ", "INTEGER", ")", 5000)}`,
  "an array of a giant size": "SELECT NULL::INTEGER[99999][99999]",
  "a shape of a megabyte": "SELECT (repeat('GEOMETRYCOLLECTION(', 50000))::GEOMETRY",
};

const lists = {
  "lists of a million a million times":
    "SELECT list_transform(range(1000000), x -> list_sum(range(1000000)))",
  "lambdas five deep":
    "SELECT list_transform(range(1000), a -> list_transform(range(1000), b -> list_transform(range(1000), c -> a + b + c)))",
  "a list doubled 40 times":
    "SELECT len(list_reduce(list_transform(range(40), x -> range(8)), (x, y) -> x || x))",
  "a histogram of giant lists":
    "SELECT histogram(x) FROM (SELECT unnest(range(1000000)) || repeat('x', 1000) AS x FROM range(100))",
  "quantiles of a giant list":
    "SELECT list_aggregate(range(1000000), 'quantile_cont', list_transform(range(10000), x -> x / 10000)) FROM range(1000)",
  "lists of lists sorted": "SELECT list_sort(list_transform(range(300000), x -> range(100)))",
  "a product of unnested lists": "SELECT count(*) FROM (SELECT unnest(range(100000)) FROM range(100000))",
  "unnesting at every depth":
    "SELECT unnest(list_transform(range(1000), x -> list_transform(range(1000), y -> range(100))), recursive := true)",
  "lists flattened again and again": "SELECT len(flatten(list_transform(range(10000), x -> range(100000))))",
  "a list for each row": "SELECT list(range) OVER (ORDER BY range) FROM range(200000)",
  "a row of a million lists":
    "SELECT list_zip(range(1000000), range(1000000), range(1000000)), list_resize([range(1000)], 1000000, range(1000))",
  "distinct pairs of a list":
    "SELECT list_distinct(list_transform(range(1000000), x -> [x, x])) FROM range(100)",
  "a series of microseconds":
    "SELECT count(*) FROM generate_series(TIMESTAMP '0001-01-01', TIMESTAMP '9999-12-31', INTERVAL 1 MICROSECOND)",
  "a list of a series of microseconds":
    "SELECT len(range(TIMESTAMP '0001-01-01', TIMESTAMP '9999-12-31', INTERVAL 1 MICROSECOND))",
};

const rows = {
  "a product of a billion by a billion": "SELECT count(*) FROM range(1000000000) a, range(1000000000) b",
  "a recursion without an end":
    "WITH RECURSIVE t AS (SELECT 1 n UNION ALL SELECT n + 1 FROM t) SELECT max(n) FROM t",
  "a recursion that doubles":
    "WITH RECURSIVE t AS (SELECT 1 n UNION ALL (SELECT n + 1 FROM t UNION ALL SELECT n + 1 FROM t)) SELECT count(*) FROM t",
  "a recursion whose text doubles":
    "WITH RECURSIVE t AS (SELECT 'a' s UNION ALL SELECT s || s FROM t) SELECT max(length(s)) FROM t",
  "a recursion by keys":
    "WITH RECURSIVE t(k, n) USING KEY (k) AS (SELECT 1, 1 UNION SELECT k + 1, n + 1 FROM t) SELECT count(*) FROM t",
  "a window over everything for each row":
    "SELECT quantile_cont(range, 0.5) OVER (ORDER BY range ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) FROM range(3000000)",
  "the mode for each row":
    "SELECT mode(hash(range)) OVER (ORDER BY hash(range) ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW EXCLUDE TIES) FROM range(3000000)",
  "texts aggregated for each row":
    "SELECT string_agg(range::VARCHAR) OVER (ORDER BY range) FROM range(300000)",
  "distinct counts for each row":
    "SELECT count(DISTINCT range % 1000) OVER (ORDER BY range ROWS 100000 PRECEDING) FROM range(5000000)",
  "a billion groups": "SELECT count(*) FROM (SELECT range, count(*) FROM range(1000000000) GROUP BY range)",
  "a billion rows in an order":
    "SELECT hash(range) h FROM range(1000000000) ORDER BY h LIMIT 1 OFFSET 500000000",
  "a billion rows answered": "SELECT range, repeat('x', 1000) FROM range(1000000000)",
  "a sample of a billion":
    "SELECT count(*) FROM (FROM range(2000000000) USING SAMPLE reservoir(1000000000 ROWS))",
  "a join by inequality":
    "SELECT count(*) FROM range(1000000) a JOIN range(1000000) b ON a.range < b.range AND a.range * 2 > b.range",
  "each row's own product":
    "SELECT (SELECT count(*) FROM range(100000) b, range(100) c WHERE b.range > a.range) FROM range(100000) a",
  "a billion rows pivoted": "PIVOT (FROM range(1000000000)) ON range IN (1, 2, 3) USING count(*)",
  "a billion rows summarised": "SUMMARIZE FROM range(1000000000)",
  "a billion rows explained": "EXPLAIN ANALYZE SELECT sum(hash(range)) FROM range(10000000000)",
};

const widths = {
  "a path of 8,000 CTEs": `WITH c0 AS (SELECT 1 n), ${times(8000, (at) => `c${at + 1} AS (FROM c${at})`)} FROM c8000`,
  "CTEs that double 30 times": doubledCtes(30),
  "CTEs that double 8 times": doubledCtes(8),
  "60,000 ANDs": `SELECT ${times(60_000, (at) => `${at} = ${at}`, " AND ")}`,
  "50,000 ORs": `SELECT count(*) FROM range(10) WHERE ${times(50_000, (at) => `range = ${at}`, " OR ")}`,
  "100,000 additions": `SELECT ${times(100_000, () => "1", "+")}`,
  "100,000 minuses": `SELECT ${"- ".repeat(100_000)}1`,
  "100,000 NOTs": `SELECT ${"NOT ".repeat(100_000)}true`,
  "100,000 parentheses": `SELECT ${nested("(", "1", ")", 100_000)}`,
  "100,000 brackets": `SELECT ${nested("[", "1", "]", 100_000)}`,
  "20,000 structs": `SELECT ${nested("{a: ", "1", "}", 20_000)}`,
  "20,000 casts": `SELECT 1${"::INTEGER".repeat(20_000)}`,
  "20,000 calls": `SELECT ${nested("abs(", "1", ")", 20_000)}`,
  "5,000 CASEs within": `SELECT ${nested("CASE WHEN true THEN ", "1", " ELSE 0 END", 5000)}`,
  "3,000 subqueries within": `SELECT ${nested("(SELECT ", "1", ")", 3000)}`,
  "1,000 subqueries beside a table": `${nested("SELECT * FROM (", "SELECT 1", ")", 1000)}`,
  "50 lambdas within": `SELECT ${times(50, (at) => `list_transform([1], x${at} -> `, "")}1${")".repeat(50)}`,
  "120,000 in a list": `SELECT count(*) FROM range(10) WHERE range IN (${times(120_000, String)})`,
  "90,000 rows of VALUES": `SELECT count(*) FROM (VALUES ${times(90_000, (at) => `(${at})`)})`,
  "60,000 columns": `SELECT ${times(60_000, (at) => `${at} AS c${at}`)}`,
  "100,000 columns made by a star": `SELECT ${times(2000, () => "*")} FROM (SELECT ${times(200, (at) => `${at} AS c${at}`)})`,
  "20,000 UNIONs": times(20_000, () => "SELECT 1", " UNION ALL "),
  "2,000 different UNIONs": times(2000, (at) => `SELECT ${at}`, " UNION "),
  "200 joins": `SELECT count(*) FROM ${times(200, (at) => `range(2) t${at}`)}`,
  "75 joins of one another": `SELECT count(*) FROM ${times(75, (at) => `range(9) t${at}`)} WHERE ${times(74, (at) => `t${at}.range = t${at + 1}.range`, " AND ")}`,
  "a cube of 24 columns": `SELECT count(*) FROM (SELECT ${times(24, (at) => `range % ${at + 2} AS c${at}`)} FROM range(1000)) GROUP BY CUBE (${times(24, (at) => `c${at}`)})`,
  "rollups of 2,000 columns": `SELECT count(*) FROM (SELECT ${times(2000, (at) => `${at} AS c${at}`)}) GROUP BY ROLLUP (${times(2000, (at) => `c${at}`)})`,
  "a pivot of 20,000 values": `PIVOT (FROM range(10)) ON range IN (${times(20_000, String)}) USING count(*), sum(range)`,
  "a literal of 6 MB": `SELECT length('${"x".repeat(6_000_000)}')`,
  "a name of 6 MB": `SELECT 1 AS "${"x".repeat(6_000_000)}"`,
  "a comment that nests": `SELECT ${nested("/* ", "", " */", 150_000)} 1`,
  "190,000 arguments": `SELECT length(concat(${times(190_000, () => "'a'")}))`,
  "900,000 semicolons": `SELECT 1${";".repeat(900_000)}`,
  "20,000 names of WITH": `WITH ${times(20_000, (at) => `c${at} AS (SELECT 1)`)} SELECT 1`,
  "50,000 statements": times(50_000, () => "SELECT 1", ";"),
  "columns by a wild expression": `SELECT COLUMNS('(a?){1000}b') FROM (SELECT ${times(500, (at) => `${at} AS ${"a".repeat(30)}${at}`)})`,
  "10,000 windows": `SELECT ${times(10_000, (at) => `sum(range) OVER (ORDER BY range + ${at})`)} FROM range(10)`,
};

/** By what they are. */
export const hardStatements: ReadonlyMap<string, string> = new Map(
  [json, patterns, texts, casts, lists, rows, widths].flatMap((group) => Object.entries(group)),
);
