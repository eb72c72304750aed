/** Everything a caller can get wrong over HTTP: a clear error, and nothing changed. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { type ApiCase, runCase, runCases, says } from "../../support/clients/api-case.ts";
import { type Catalog, type CatalogObject, startCatalog, twoColumns } from "../../support/stacks/catalogd.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

const directory = temporaryDirectory("catalogd-bad");
let catalog: Catalog;
let etag = "";
const etagOf = async () => (await catalog.verbs.snapshot({})).catalog_etag;

/** "datasets/x/1" with the text "0123456789": rows refer to it before it is stored. */
const stored: CatalogObject = {
  key: "datasets/x/1",
  bytes: 10,
  etag: "84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882",
  row_count: 3,
  statistics: [],
};
beforeAll(async () => {
  catalog = await startCatalog(directory.path, { settings: { changes_max_waiters: 1 } });
  expect(await catalog.object(stored.key, "0123456789", 3)).toEqual(stored);
  await catalog.verbs.register({ name: "taken", columns: twoColumns, objects: [stored] });
  await catalog.verbs.register({ name: "gone", columns: twoColumns, objects: [] });
  await catalog.verbs.drop({ name: "gone" });
  etag = await etagOf();
});
afterEach(async () => expect(await etagOf()).toBe(etag));
afterAll(async () => {
  await catalog.stop();
  directory.remove();
});

const good = { name: "fresh", columns: twoColumns, objects: [stored] };
const post = (
  name: string,
  body: ApiCase["body"],
  row: Omit<ApiCase, "name" | "path" | "body">,
): ApiCase => ({ name, method: "POST", path: "/catalog/register", body, ...row });
const noJson = says("invalid_json");
const drift = says("schema_drift");
const invalid = says("invalid_field");
const refused = says("unprocessable");
const conflict = says("conflict");
const withObject = (changes: Record<string, unknown>) => ({ ...good, objects: [{ ...stored, ...changes }] });
const withStatistic = (changes: Record<string, unknown>) =>
  withObject({ statistics: [{ column: "id", field_id: 1, ...changes }] });
const withColumn = (changes: Record<string, unknown>) => ({
  ...good,
  columns: [{ name: "id", type: "BIGINT", nullable: false, ...changes }],
});

const badTypes: readonly (readonly [string, string, string])[] = [
  ["no type", "FROBNICATE", "'FROBNICATE' is no type that columns have"],
  ["a statement", "INTEGER); DROP TABLE x", "at character 8: expected the end of the type"],
  ["not closed", "STRUCT(a INTEGER", "expected ',' or ')'"],
  ["a map of one type", "MAP(VARCHAR)", "MAP(KEY, VALUE)"],
  ["a decimal of 39 digits", "DECIMAL(39,2)", "expected 1 to 38 digits"],
  ["a struct without fields", "STRUCT()", "expected the name of a field"],
  ["a struct with a nameless field", 'STRUCT("" INTEGER)', "a name is empty"],
  ["a struct with a field twice", "STRUCT(a INTEGER, A INTEGER)", "the field 'A' twice"],
  ["a union", "UNION(a INTEGER)", "'UNION' is no type"],
  ["too deep by lists", `INTEGER${"[]".repeat(17)}`, "it nests 17 levels deep; types nest at most 16 levels"],
  ["too deep by structs", `${"STRUCT(a ".repeat(100)}INTEGER${")".repeat(100)}`, "it nests 100 levels deep"],
  ["deeper than can be counted", "STRUCT(a ".repeat(7000), "over 1000 levels"],
];

const names: readonly (readonly [string, unknown])[] = [
  ["empty", ""],
  ["a digit first", "1a"],
  ["a dash", "a-b"],
  ["a dot", "a.b"],
  ["a slash", "a/b"],
  ["a parent folder", ".."],
  ["a space", "a b"],
  ["a quote", 'a"b'],
  ["a newline", "a\n"],
  ["a NUL", "a\0"],
  ["beyond ASCII", "größe"],
  ["129 characters", "a".repeat(129)],
  ["a version of another", "workers@3"],
  ["a number", 7],
  ["null", null],
  ["a list", ["a"]],
];
describe("names", () => {
  runCases(
    names.map(([name, value]) =>
      post(`register: ${name}`, { ...good, name: value }, invalid('"field":"name"')),
    ),
    () => catalog.send,
  );
  runCases(
    [
      "information_schema",
      "INFORMATION_SCHEMA",
      "main",
      "pg_catalog",
      "temp",
      "system",
      "duckdb_tables",
      "sqlite_master",
      "PG_class",
      "pragma_x",
    ].map((name) =>
      post(
        `register: reserved ${name}`,
        { ...good, name },
        { type: "invalid_name", contains: [`'${name}' is reserved`] },
      ),
    ),
    () => catalog.send,
  );
});

const forms: ApiCase[] = [
  post("no body", undefined, noJson()),
  post("not JSON", "{", noJson()),
  post("NaN", JSON.stringify(good).replace('"bytes":10', '"bytes":NaN'), noJson()),
  post("a list", "[]", noJson()),
  post("another media type", "<x/>", {
    type: "unsupported_media_type",
    headers: { "content-type": "application/xml" },
  }),
  post("an empty object", {}, invalid("it is missing")),
  post("no name", { columns: twoColumns, objects: [] }, invalid('"field":"name"')),
  post("no columns", { name: "fresh", objects: [] }, invalid('"field":"columns"')),
  post("no objects", { name: "fresh", columns: twoColumns }, invalid('"field":"objects"')),
  post(
    "an unknown field",
    { ...good, evolves: true },
    { type: "unknown_field", contains: ["'evolves'", "expected name, columns"] },
  ),
  post("an unknown field of a column", withColumn({ remark: "x" }), {
    type: "unknown_field",
    contains: ["columns.0.remark"],
  }),
  post("an unknown field of an object", withObject({ size: 1 }), {
    type: "unknown_field",
    contains: ["objects.0.size"],
  }),
  post("an unknown field of a statistic", withStatistic({ mean: "1" }), {
    type: "unknown_field",
    contains: ["objects.0.statistics.0.mean"],
  }),
  post("zero columns", { ...good, columns: [] }, invalid('"field":"columns"')),
  post("columns as an object", { ...good, columns: {} }, invalid()),
  post(
    "16,385 columns",
    { ...good, columns: Array(16_385).fill({ name: "a", type: "B", nullable: true }) },
    invalid('"field":"columns"'),
  ),
  post("100,001 objects", { ...good, objects: Array(100_001).fill({}) }, invalid('"field":"objects"')),
  post("a body beyond max_json_bytes", { ...good, made_by: "a".repeat(9 << 20) }, { type: "too_large" }),
  post("objects as null", { ...good, objects: null }, invalid()),
  post("an unknown operation", { ...good, operation: "merge" }, invalid("replace, append")),
  post("the operation drop", { ...good, operation: "drop" }, invalid("replace, append")),
  post("a long made_by", { ...good, made_by: "a".repeat(257) }, invalid('"field":"made_by"')),
  post(
    "half a surrogate pair in made_by",
    { ...good, made_by: "\ud800" },
    invalid("made_by: expected Unicode"),
  ),
];
describe("the form of a registration", () => runCases(forms, () => catalog.send));

const contents: ApiCase[] = [
  post("a column without a name", withColumn({ name: "" }), invalid("columns.0.name")),
  post("a column name of 1,025 characters", withColumn({ name: "a".repeat(1025) }), invalid()),
  post("a column name with NUL", withColumn({ name: "a\0b" }), invalid("columns.0.name", "without NUL")),
  post(
    "half a surrogate pair in a column's name",
    withColumn({ name: "a\udfff" }),
    invalid("columns.0.name"),
  ),
  post("an empty type", withColumn({ type: "" }), invalid()),
  post("a type of 70,000 characters", withColumn({ type: "A".repeat(70_000) }), {
    ...invalid(),
    lacks: ["A".repeat(200)],
  }),
  ...badTypes.map(([what, type, contains]) =>
    post(`a type that is ${what}`, withColumn({ type }), {
      ...invalid("columns.0.type", contains),
      lacks: ["A".repeat(200)],
    }),
  ),
  post("nullable as text", withColumn({ nullable: "yes" }), invalid("columns.0.nullable")),
  post(
    "the same column twice",
    { ...good, columns: [...twoColumns, ...twoColumns] },
    refused("columns: 'id' is there twice"),
  ),
  post(
    "columns that differ by case",
    { ...good, columns: ["Zip", "ZIP"].map((name) => ({ name, type: "VARCHAR", nullable: true })) },
    refused("'ZIP' is there twice", "upper case"),
  ),
  post(
    "a field id twice",
    { ...good, columns: twoColumns.map((column) => ({ ...column, field_id: 4 })) },
    refused("columns: 'field id 4' is there twice", "leave field_id out"),
  ),
  post(
    "a field id that is another's",
    { ...good, name: "taken", columns: twoColumns.map((column, at) => ({ ...column, field_id: 2 - at })) },
    conflict("has the field id 1, not 2"),
  ),
  post("negative bytes", withObject({ bytes: -1 }), invalid("objects.0.bytes")),
  post("bytes of a fraction", withObject({ bytes: 1.5 }), invalid()),
  post("bytes as text", withObject({ bytes: "10" }), invalid()),
  post("bytes beyond 2^53", withObject({ bytes: 2 ** 53 }), invalid("objects.0.bytes")),
  post("negative rows", withObject({ row_count: -5 }), invalid("objects.0.row_count")),
  post("rows of 1e300", withObject({ row_count: 1e300 }), invalid("objects.0.row_count")),
  post(
    "no rows given",
    withObject({ row_count: undefined }),
    invalid("objects.0.row_count", "it is missing"),
  ),
  post("an empty key", withObject({ key: "" }), invalid("objects.0.key")),
  post("a key of 1,025 characters", withObject({ key: "k".repeat(1025) }), invalid()),
  post("a key out of the bucket", withObject({ key: "../../etc/passwd" }), { type: "invalid_key" }),
  post("an absolute key", withObject({ key: "/etc/passwd" }), { type: "invalid_key" }),
  post("an empty etag", withObject({ etag: "" }), invalid()),
  post("statistics missing", withObject({ statistics: undefined }), invalid()),
  post("a field id of 0", withStatistic({ field_id: 0 }), invalid("objects.0.statistics.0.field_id")),
  post("a field id beyond 32 bits", withStatistic({ field_id: 2 ** 31 }), invalid()),
  post("negative nulls", withStatistic({ null_count: -1 }), invalid()),
  post("a bound as a number", withStatistic({ min: 1 }), invalid("objects.0.statistics.0.min")),
  post(
    "half a surrogate pair in a bound",
    withStatistic({ max: "\udc00" }),
    invalid("objects.0.statistics.0"),
  ),
  post(
    "more nulls than rows",
    withStatistic({ null_count: 4 }),
    refused("column 'id' has 4 nulls in 3 rows"),
  ),
  post(
    "two statistics of a column",
    withObject({ statistics: Array(2).fill({ column: "id", field_id: 1 }) }),
    refused("objects.0.statistics: 'id' is there twice"),
  ),
  post(
    "the same object twice",
    { ...good, objects: [stored, stored] },
    refused("objects: 'datasets/x/1' is there twice"),
  ),
  post(
    "the same object by two addresses",
    { ...good, objects: [stored, { ...stored, key: `primary://${stored.key}` }] },
    refused("is there twice"),
  ),
];
describe("columns, objects and statistics", () => runCases(contents, () => catalog.send));

const storage: ApiCase[] = [
  post(
    "an object that is missing",
    withObject({ key: "datasets/x/2" }),
    refused("'datasets/x/2' does not exist"),
  ),
  post(
    "an object in a bucket that is missing",
    withObject({ key: "nowhere://datasets/x/1" }),
    refused("'nowhere://datasets/x/1' does not exist"),
  ),
  post("other bytes", withObject({ bytes: 11 }), refused("has 10 bytes, not 11")),
  post("another etag", withObject({ etag: "e" }), refused(`has etag ${stored.etag}, not e`)),
  post("a quoted etag", withObject({ etag: `"${stored.etag}"` }), refused()),
  post(
    "some of many",
    {
      ...good,
      objects: [stored, ...Array.from({ length: 30 }, (_, at) => ({ ...stored, key: `no/${at}` }))],
    },
    { ...refused("'no/0' does not exist", "and 10 more", '"count":30'), lacks: ["no/25"] },
  ),
  post(
    "drift is reported before missing objects",
    { ...withObject({ key: "no" }), name: "taken", columns: twoColumns.slice(1) },
    { type: "schema_drift", contains: ["removed: id", '"removed":["id"]'], lacks: ["does not exist"] },
  ),
  post(
    "drift on append",
    {
      ...good,
      name: "taken",
      operation: "append",
      columns: [...twoColumns, { name: "zip", type: "VARCHAR", nullable: true }],
    },
    drift("added: zip", '"added":["zip"]'),
  ),
  post(
    "drift of a type",
    {
      ...good,
      name: "taken",
      columns: [{ name: "id", type: "INTEGER", nullable: false }, ...twoColumns.slice(1)],
    },
    drift("retyped: id (BIGINT → INTEGER)"),
  ),
  post(
    "drift of nullability",
    { ...good, name: "taken", columns: twoColumns.map((column) => ({ ...column, nullable: true })) },
    drift("nullability: id (not null → nullable)"),
  ),
  post(
    "appending what is there",
    { ...good, name: "taken", operation: "append" },
    conflict("datasets/x/1", "append takes new objects only"),
  ),
  post(
    "a name that differs by case",
    { ...good, name: "Taken" },
    conflict("differs only by case from the dataset 'taken'"),
  ),
];
describe("what storage and the catalog hold", () => runCases(storage, () => catalog.send));

const path = "/catalog/manifest";
const others: ApiCase[] = [
  {
    name: "manifest: unknown",
    path: `${path}/nothing`,
    type: "not_found",
    contains: ["no dataset named 'nothing'"],
  },
  {
    name: "manifest: another case",
    path: `${path}/TAKEN`,
    type: "not_found",
    contains: ["there is one named 'taken'"],
  },
  { name: "manifest: dropped", path: `${path}/gone`, type: "not_found" },
  { name: "manifest: __proto__", path: `${path}/__proto__`, type: "not_found" },
  { name: "manifest: a bad name", path: `${path}/a-b`, ...invalid() },
  { name: "manifest: bad percent-encoding", path: `${path}/%ff`, type: "bad_request" },
  { name: "manifest: a folder", path: `${path}/a%2Fb`, ...invalid() },
  {
    name: "manifest: an unknown parameter",
    path: `${path}/taken?number=1`,
    type: "unknown_field",
    contains: ["'number'"],
  },
  { name: "drop: unknown", method: "DELETE", path: `${path}/nothing`, type: "not_found" },
  { name: "drop: dropped", method: "DELETE", path: `${path}/gone`, type: "not_found" },
  { name: "drop: another case", method: "DELETE", path: `${path}/Taken`, type: "not_found" },
  { name: "drop: a bad name", method: "DELETE", path: `${path}/..%2Fx`, ...invalid() },
  { name: "list: a page of nothing", path: "/catalog/list?page_size=0", ...invalid() },
  { name: "list: a page too large", path: "/catalog/list?page_size=10001", ...invalid() },
  { name: "list: a size in words", path: "/catalog/list?page_size=ten", ...invalid() },
  { name: "list: a token that is none", path: "/catalog/list?page_token=abc", ...invalid("next_page_token") },
  {
    name: "list: a token for a folder",
    path: `/catalog/list?page_token=${Buffer.from("after:../x").toString("base64url")}`,
    ...invalid(),
  },
  { name: "list: an unknown parameter", path: "/catalog/list?prefix=a", type: "unknown_field" },
  { name: "changes: negative patience", path: "/catalog/changes?wait_ms=-1", ...invalid() },
  { name: "changes: too much patience", path: "/catalog/changes?wait_ms=25001", ...invalid() },
  { name: "changes: given twice", path: "/catalog/changes?since=a&since=b", ...invalid() },
  { name: "register by GET", path: "/catalog/register", type: "method_not_allowed" },
  { name: "snapshot is internal", method: "POST", path: "/catalog/snapshot", body: {}, type: "not_found" },
];
const change = (
  name: string,
  body: Record<string, unknown>,
  row: Partial<ApiCase>,
  dataset = "taken",
): ApiCase => ({
  ...{ name: `evolve: ${name}`, method: "PATCH", path: `/catalog/datasets/${dataset}`, body },
  ...row,
});
const drop = { drop: ["name"] };
const evolutions: ApiCase[] = [
  change("unknown", drop, says("not_found")(), "nothing"),
  change("dropped", drop, says("not_found")(), "gone"),
  change("a bad name", drop, invalid(), "a-b"),
  change("another etag", { ...drop, if_match: "x.1.1" }, says("precondition_failed")()),
  change("an unknown field", { remove: ["name"] }, says("unknown_field")("expected")),
  change("a list of nothing", { drop: [""] }, invalid("drop.0")),
  change("a column as text", { drop: "name" }, invalid("drop")),
  change("a column that is not there", { drop: ["nam"] }, refused("no column 'nam'; did you mean name")),
  change("all columns", { drop: ["id", "name"] }, invalid("DELETE drops the dataset")),
  change("a rename onto another", { rename: [{ name: "id", to: "NAME" }] }, refused("is there twice")),
  change("a rename to nothing", { rename: [{ name: "id", to: "" }] }, invalid("rename.0.to")),
  change("a rename to a NUL", { rename: [{ name: "id", to: "a\0" }] }, refused()),
  change(
    "a narrower type",
    { widen: [{ name: "id", type: "INTEGER" }] },
    refused("while its files stay", "/retype"),
  ),
  change(
    "a type that is a statement",
    { add: [{ name: "x", type: "INT); DROP TABLE x" }] },
    refused("expected the end"),
  ),
  change("a column that is there", { add: [{ name: "id", type: "DATE" }] }, refused("'id' is there twice")),
  change("half an order", { reorder: ["name"] }, refused("id is missing")),
  change("a comment on nothing", { comment: [{ name: "x", text: "t" }] }, refused("no column 'x'")),
  change("a long comment", { comment: [{ name: "id", text: "t".repeat(4097) }] }, invalid()),
  change("half a surrogate pair", { comment: [{ name: "id", text: "\udc00" }] }, invalid("comment.0.text")),
];
describe("changes of columns", () => runCases(evolutions, () => catalog.send));

describe("the other verbs", () => {
  runCases(others, () => catalog.send);

  test("changes: more than may wait", async () => {
    const caller = new AbortController();
    const waiting = catalog.verbs.changes({ since: etag }, { signal: caller.signal });
    const row = {
      name: "",
      path: `/catalog/changes?since=${etag}`,
      type: "overloaded",
      expectHeaders: { "retry-after": "1" },
    };
    await runCase(row, catalog.send);
    caller.abort();
    await expect(waiting).rejects.toMatchObject({ type: "client_closed" });
  });

  test("NaN by a caller in this process", async () => {
    await expect(catalog.verbs.register(withObject({ bytes: Number.NaN }))).rejects.toMatchObject({
      type: "invalid_field",
    });
    await expect(
      catalog.verbs.register(withObject({ row_count: Number.POSITIVE_INFINITY })),
    ).rejects.toMatchObject({ type: "invalid_field" });
  });
});
