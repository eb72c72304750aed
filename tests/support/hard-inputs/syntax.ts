/** Statements whose text nests or repeats until a parser, a binder or a planner that recurses has no stack or time left. */

const nested = (open: string, inside: string, close: string, levels: number): string =>
  open.repeat(levels) + inside + close.repeat(levels);
const times = (count: number, each: (at: number) => string, between = ", "): string =>
  Array.from({ length: count }, (_, at) => each(at)).join(between);

/** Each of them was told of DuckDB or is a neighbour of one that was. */
const depths = {
  "2,000 calls of union_value": `SELECT ${nested("union_value(a := ", "1", ")", 2000)}`,
  "10,000 calls of struct_pack": `SELECT ${nested("struct_pack(a := ", "1", ")", 10_000)}`,
  "10,000 calls of coalesce": `SELECT ${nested("coalesce(", "1", ", 2)", 10_000)}`,
  "10,000 calls of list_value": `SELECT ${nested("list_value(", "1", ")", 10_000)}`,
  "5,000 sums in an order": `SELECT count(DISTINCT x ORDER BY ${nested("(1+", "1", ")", 5000)}) FROM range(3) t(x)`,
  "20,000 sums within": `SELECT ${nested("(1+", "1", ")", 20_000)}`,
  "20,000 rows within": `SELECT ${nested("ROW(", "1", ")", 20_000)}`,
  "20,000 maps within": `SELECT ${nested("MAP {1: ", "1", "}", 20_000)}`,
  "20,000 casts within": `SELECT ${nested("CAST(", "1", " AS INTEGER)", 20_000)}`,
  "20,000 tries within": `SELECT ${nested("TRY(", "1", ")", 20_000)}`,
  "20,000 CASEs in their conditions": `SELECT ${nested("CASE WHEN ", "true", " THEN true END", 20_000)}`,
  "10,000 EXISTS within": `SELECT ${nested("EXISTS (SELECT ", "1", ")", 10_000)}`,
  "10,000 subqueries in FROM": `SELECT * FROM ${nested("(SELECT * FROM ", "range(1)", ")", 10_000)}`,
  "10,000 FROMs first": nested("FROM (", "SELECT 1", ")", 10_000),
  "10,000 WITHs within": nested("WITH a AS (", "SELECT 1", ") FROM a", 10_000),
  "3,000 recursive WITHs within": `SELECT * FROM ${times(3000, () => "(WITH RECURSIVE r AS ((", "")}SELECT 1${times(3000, () => ") UNION ALL SELECT 1 FROM r) SELECT * FROM r)", "")}`,
  "20,000 UNIONs in parentheses": nested("(SELECT 1 UNION ", "SELECT 1", ")", 20_000),
  "10,000 joins in parentheses": `SELECT 1 FROM ${nested("(range(1) NATURAL JOIN ", "range(1)", ")", 10_000)}`,
  "10,000 VALUES within": `SELECT ${nested("(VALUES (", "1", "))", 10_000)}`,
  "5,000 pivots within": `FROM ${nested("(PIVOT ", "range(1)", " ON range IN (0) USING count(*))", 5000)}`,
  "50,000 IS NULLs": `SELECT 1${" IS NULL".repeat(50_000)}`,
  "50,000 fields of fields": `SELECT a${".a".repeat(50_000)} FROM (SELECT 1 AS a)`,
  "50,000 items of items": `SELECT [1]${"[1]".repeat(50_000)}`,
  "50,000 arrows of JSON": `SELECT '{}'::JSON${"->'a'".repeat(50_000)}`,
  "50,000 texts put together": `SELECT ${times(50_000, () => "'a'", " || ")}`,
  "50,000 powers": `SELECT ${times(50_000, () => "1", " ^ ")}`,
  "50,000 comparisons": `SELECT ${times(50_000, () => "1", " < ")}`,
  "50,000 BETWEENs": `SELECT 1${" BETWEEN 0 AND 1".repeat(50_000)}`,
  "50,000 collations": `SELECT 'a'${" COLLATE nocase".repeat(50_000)}`,
  "50,000 methods in a chain": `SELECT 'a'${".upper()".repeat(50_000)}`,
  "a list of a type of 5,000 levels": `SELECT list_contains(CAST(NULL AS INTEGER${"[]".repeat(5000)}), 1)`,
  "a map type of 5,000 levels": `SELECT NULL::${nested("MAP(INTEGER, ", "INTEGER", ")", 5000)}`,
  "a decorrelation of 30 levels": `SELECT ${times(30, (at) => `(SELECT max(t${at}.range) FROM range(3) t${at} WHERE t${at}.range >= ${at === 0 ? "0" : `t${at - 1}.range`} AND 1 = `, "")}1${")".repeat(30)}`,
};

/** Values whose work or size is out of all proportion to the statement. */
const sizes = {
  "digits that grow a million fold": "SELECT length(repeat('9', 60000)::BIGNUM::VARCHAR::BIGNUM::VARCHAR)",
  "lists that are made of giant lists":
    "SELECT len(list_transform(range(2000), lambda x: list_transform(range(100000), lambda y: [x, y])))",
  "texts of a megabyte in a list, sorted":
    "SELECT len(list_sort(list_transform(range(20000), lambda x: repeat(x::VARCHAR, 300000))))",
  "a struct of giant texts for each row":
    "SELECT max(length(s.a)) FROM (SELECT {a: repeat('x', 20000000 + range)} AS s FROM range(2048))",
  "texts of 20 MB, one for each row": "SELECT max(repeat('x', 20000000) || range) FROM range(4096)",
  "padding of 100 MB for each row":
    "SELECT sum(length(lpad(range::VARCHAR, 100000000, 'x'))) FROM range(2048)",
  "reversed texts of 100 MB": "SELECT sum(length(reverse(repeat('ab', 50000000 + range)))) FROM range(2048)",
  "base64 of 100 MB for each row":
    "SELECT sum(length(base64(repeat('a', 100000000)::BLOB || range::VARCHAR::BLOB))) FROM range(2048)",
  "a split of 100 MB for each row":
    "SELECT sum(len(string_split(repeat('a,', 5000000) || range, ','))) FROM range(2048)",
  "JSON of a giant list for each row":
    "SELECT sum(length(to_json(range(3000000))::VARCHAR)) FROM range(2048) t(r)",
  "a cross product of unnested lists":
    "SELECT count(*) FROM (SELECT unnest(range(1000000)) FROM range(2048))",
  "distances of 100,000 pairs of texts":
    "SELECT sum(levenshtein(repeat('ab', 2000) || range, repeat('ba', 2000))) FROM range(100000)",
  "likeness of texts for each row":
    "SELECT sum(jaro_similarity(repeat('ab', 20000) || range, repeat('ba', 20000))) FROM range(100000)",
  "a combined list of lists": "SELECT len(list_reduce(range(60), lambda x, y: x + y, 1))",
  "the words of giant texts":
    "SELECT len(regexp_split_to_array(repeat('a b ', 3000000), ' ')) FROM range(2048)",
  "a sketch of everything": "SELECT approx_top_k(repeat('x', 100000) || range, 100000) FROM range(100000)",
  "quantiles by reservoir": "SELECT reservoir_quantile(hash(range), 0.5, 100000000) FROM range(100000000)",
  "an enum of giant texts": "SELECT count(DISTINCT repeat(range::VARCHAR, 200000)) FROM range(20000)",
};

const deepLists = "(repeat('[', 50000) || repeat(']', 50000))";
const deepObjects = `(repeat('{"a":', 50000) || '1' || repeat('}', 50000))`;
const list900 = nested("[", "1", "]", 900);

/** JSON and values that nest: what looks into them calls itself once for each level. */
const levels = {
  "structure of deep objects": `SELECT json_structure(${deepObjects})`,
  "structure of deep objects, by group": `SELECT json_group_structure(${deepObjects}::JSON) FROM range(10)`,
  "a small patch of deep objects": `SELECT json_merge_patch('{"a":1}', ${deepObjects})`,
  "deep objects within themselves": `SELECT json_contains(${deepObjects}, ${deepObjects})`,
  "deep objects as VARIANT": `SELECT ${deepObjects}::JSON::VARIANT`,
  "the type of a deep VARIANT": `SELECT variant_typeof(${deepObjects}::JSON::VARIANT)`,
  "a deep VARIANT made normal": `SELECT variant_normalize(${deepLists}::JSON::VARIANT)`,
  "a structure of deep lists": `SELECT from_json('[]', '${nested("[", '"INT"', "]", 5000)}')`,
  "a structure of deep lists, strictly": `SELECT from_json_strict('[]', '${nested("[", '"INT"', "]", 5000)}')`,
  "a deep structure, strictly": `SELECT json_transform_strict('{}', '${nested('{"a":', '"INT"', "}", 5000)}')`,
  "the plan of 900 calls": `SELECT json_serialize_plan('SELECT ${nested("abs(", "1", ")", 900)}')`,
  "100,000 fields of fields": `SELECT a${".a".repeat(100_000)} FROM (SELECT 1 AS a)`,
  "50,000 fields in an order": `SELECT 1 FROM (SELECT {a: 1} AS a) ORDER BY a${".a".repeat(50_000)}`,
  "a list in 900 lists": `SELECT ${list900}`,
  "the hash of a list in 900 lists": `SELECT hash(${list900})`,
  "a group by a list in 900 lists": `SELECT ${list900} AS x GROUP BY x`,
  "an order by a list in 900 lists": `SELECT x FROM (SELECT ${list900} AS x FROM range(10)) ORDER BY x`,
  "a list in 900 lists as VARIANT": `SELECT ${list900}::VARIANT`,
  "a list in 900 lists as JSON": `SELECT to_json(${list900})`,
  "300 unions within": `SELECT ${nested("union_value(a := ", "1", ")", 300)}`,
  "a big number as DOUBLE": "SELECT (repeat('9', 200000)::BIGNUM)::DOUBLE",
};

export const hardSyntax: ReadonlyMap<string, string> = new Map(
  [depths, levels, sizes].flatMap((group) => Object.entries(group)),
);
