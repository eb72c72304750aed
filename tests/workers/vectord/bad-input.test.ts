/** Everything a caller can get wrong over HTTP: a clear error, and nothing added, deleted or made. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import * as arrow from "apache-arrow";
import { type ApiCase, runCases, says } from "../../support/clients/api-case.ts";
import { startVectordStack, type VectordStack } from "../../support/stacks/vectord.ts";

let stack: VectordStack;
let before = "";
const state = async () => {
  const { indexes } = await stack.vectord.list({});
  const { items } = await stack.vectord.scroll({ name: "a", include: ["metadata", "vector"] });
  const facts = indexes.map(({ name, count, deleted, aliases, memory, quantization, engine }) => ({
    ...{ name, count, deleted, aliases, memory, quantization, engine },
  }));
  return JSON.stringify({ facts, items });
};
beforeAll(async () => {
  stack = await startVectordStack({
    settings: { max_body_bytes: 300_000, max_batch_items: 50, max_metadata_bytes: 1024 },
  });
  await stack.post("/index", { name: "a", dimension: 3, embedding_model: "local" });
  await stack.post("/index", { name: "l2", dimension: 3, metric: "l2" });
  await stack.post("/index", { name: "wide", dimension: 100 });
  await stack.post("/index", { name: "means", embedding_model: "local" });
  await stack.post("/index/a/add", {
    items: [
      { id: "x", vector: [1, 0, 0], metadata: { state: "IL", rate: 20 } },
      { id: "y", vector: [0, 1, 0] },
    ],
  });
  await stack.put("/alias/now", { index: "a" });
  await stack.indexed("a");
  before = await state();
});
afterEach(async () => expect(await state()).toBe(before));
afterAll(() => stack.stop());

type Row = Omit<ApiCase, "name" | "path" | "method">;
const noJson = says("invalid_json");
const bad = says("bad_request");
const invalid = says("invalid_field");
const unknown = says("unknown_field");
const conflict = says("conflict");
const large = says("too_large");
const missing = says("not_found");
const unsupported = says("unsupported_media_type");

const at =
  (path: string, method = "POST") =>
  (name: string, row: Row): ApiCase => ({ name, method, path: `/vectors${path}`, ...row });
const create = (name: string, body: Record<string, unknown>, row: Omit<Row, "body">) =>
  at("/index")(`create: ${name}`, { body: { name: "n", dimension: 3, ...body }, ...row });
const addTo =
  (index: string) =>
  (name: string, body: ApiCase["body"], row: Omit<Row, "body">, headers?: Record<string, string>) =>
    at(`/index/${index}/add`)(`add: ${name}`, { body, ...row, ...(headers && { headers }) });
const add = addTo("a");
const item = (changes: Record<string, unknown>) => ({ items: [{ id: "z", vector: [1, 2, 3], ...changes }] });
const search = (name: string, body: Record<string, unknown>, row: Omit<Row, "body">) =>
  at("/index/a/search")(`search: ${name}`, { body: { vector: [1, 0, 0], ...body }, ...row });
const filter = (name: string, given: unknown, place: string, ...words: string[]) =>
  search(`filter: ${name}`, { filter: given }, invalid(`${place}:`, ...words));
const send = () => stack.send;

describe("create", () => {
  runCases(
    [
      create("a taken name", { name: "a" }, conflict("'a'")),
      create("the name of an alias", { name: "now" }, conflict("alias named 'now'")),
      ...["", ".", "..", "-a", "_a", "a/b", "a b", "a\n", "größe", "a".repeat(129), 7, null].map((name) =>
        create(`name ${JSON.stringify(name)?.slice(0, 20)}`, { name }, invalid('"field":"name"')),
      ),
      ...[0, -1, 1.5, "3", null, 65_537].map((dimension) =>
        create(`dimension ${JSON.stringify(dimension)}`, { dimension }, invalid('"field":"dimension"')),
      ),
      create("a metric that is not", { metric: "dot" }, invalid("cosine, ip, l2")),
      create("a type that is not", { type: "btree" }, bad("btree", "hnsw")),
      create("an empty type", { type: "" }, invalid('"field":"type"')),
      create("a quantization that is not", { quantization: "f8" }, invalid("f32, bf16, i8")),
      create("no connectivity", { connectivity: 0 }, invalid('"field":"connectivity"')),
      create("ef_search of 0", { ef_search: 0 }, invalid('"field":"ef_search"')),
      create(
        "neither dimension nor model",
        { dimension: undefined },
        invalid('"field":"dimension"', "'embedding_model'"),
      ),
      create(
        "a model that there is not",
        { dimension: undefined, embedding_model: "ollama/" },
        missing("embedd: model 'ollama/'"),
      ),
      create("an unknown field", { dimensions: 3 }, unknown("dimensions")),
      create("created_at given", { created_at: "2024-01-01T00:00:00Z" }, unknown("created_at")),
      at("/index")("create: no body", { body: "", ...noJson() }),
      at("/index")("create: a list", { body: [], type: "invalid_json" }),
    ],
    send,
  );
});

const settings = (name: string, index: string, body: ApiCase["body"], row: Omit<Row, "body">) =>
  at(`/index/${index}`, "PATCH")(`change: ${name}`, { body, ...row });

describe("change", () => {
  runCases(
    [
      settings("no such index", "nope", { memory: "graph" }, missing("'nope'")),
      settings("nothing", "a", {}, bad("'memory'", "'quantization'", "'engine'")),
      settings("what does not change", "a", { dimension: 4 }, unknown("dimension")),
      settings("a memory that is not", "a", { memory: "disk" }, invalid("all, graph, codes")),
      settings("a quantization that is not", "a", { quantization: "f8" }, invalid("f32, bf16, i8, b1")),
      settings("an engine that is not", "a", { engine: "pg" }, invalid("no engine 'pg'", "local")),
      settings("codes under l2", "l2", { memory: "codes" }, bad("directions alone", "l2")),
      settings("bits under l2", "l2", { quantization: "b1" }, bad("quantization b1", "l2")),
      at("/index/a", "PATCH")("change: no body", { body: "", ...noJson() }),
    ],
    send,
  );
});

describe("add", () => {
  runCases(
    [
      addTo("nope")("to no index", item({}), missing("'nope'")),
      add(
        "dimension too small",
        item({ vector: [1, 2] }),
        bad("item 0 ('z')", "expected 3 numbers", "got 2"),
      ),
      add("dimension too large", item({ vector: [1, 2, 3, 4] }), bad("got 4")),
      add("an empty vector", item({ vector: [] }), bad("got 0")),
      add(
        "the second of two wrong",
        {
          items: [
            { id: "p", vector: [1, 2, 3] },
            { id: "q", vector: [1] },
          ],
        },
        bad("item 1 ('q')"),
      ),
      add("strings as numbers", item({ vector: ["1", "2", "3"] }), invalid("items.0.vector.0", "number")),
      add("null in a vector", item({ vector: [1, null, 3] }), invalid("items.0.vector.1")),
      add("an infinity", '{"items":[{"id":"z","vector":[1,1e999,3]}]}', invalid("items.0.vector.1")),
      add("beyond 32 bits", item({ vector: [1, 1e39, 3] }), bad("vector[1]", "32-bit")),
      add("too long to compare", item({ vector: [1e19, 0, 0] }), bad("too long")),
      add("NaN as a word", '{"items":[{"id":"z","vector":[1,NaN,3]}]}', noJson()),
      add("a zero vector under cosine", item({ vector: [0, 0, 0] }), bad("zero vector", "cosine")),
      add("almost zero", item({ vector: [1e-30, 0, 0] }), bad("zero vector")),
      add(
        "neither vector nor text",
        { items: [{ id: "z" }] },
        invalid("items.0.vector", "item 0 ('z')", "a text"),
      ),
      addTo("l2")(
        "a text without a model",
        { items: [{ id: "z", text: "x" }] },
        bad("'l2'", "embedding_model"),
      ),
      add("a text of another length", { items: [{ id: "z", text: "x" }] }, conflict("3 numbers", "have 512")),
      add("an empty text", { items: [{ id: "z", text: "" }] }, invalid("items.0.text")),
      add("the text in the metadata", item({ metadata: { "@text": "x" } }), bad("item 0 ('z')", "as 'text'")),
      addTo("means")(
        "a text that is too long to keep",
        { items: [{ id: "z", text: "x".repeat(1100) }] },
        bad("metadata and text have", "1024"),
      ),
      add("no id", { items: [{ vector: [1, 2, 3] }] }, invalid("items.0.id")),
      add("an empty id", item({ id: "" }), invalid("items.0.id")),
      add("a number as id", item({ id: 7 }), invalid("items.0.id")),
      add("an id of 513 characters", item({ id: "i".repeat(513) }), invalid("items.0.id")),
      add("half a surrogate pair", '{"items":[{"id":"\\ud800","vector":[1,2,3]}]}', bad("not valid Unicode")),
      add(
        "the same id twice",
        {
          items: [
            { id: "d", vector: [1, 2, 3] },
            { id: "e", vector: [1, 2, 3] },
            { id: "d", vector: [1, 2, 3] },
          ],
        },
        bad("item 2 ('d')", "duplicate id", "item 0"),
      ),
      ...[".", ".."].map((id) =>
        add(
          `the id ${id}, which no URL can name`,
          item({ id }),
          bad(`item 0: '${id}'`, "could not be read back"),
        ),
      ),
      add("no items", { items: [] }, invalid("items")),
      add("items that are no list", { items: {} }, invalid("items")),
      add("nothing", {}, invalid("items")),
      add(
        "51 items",
        { items: Array.from({ length: 51 }, (_, n) => ({ id: `${n}`, vector: [1, 2, 3] })) },
        large("at most 50 items", "got 51"),
      ),
      add("an unknown field", { ...item({}), upsert: true }, unknown("upsert")),
      add("an unknown field of an item", item({ values: [1] }), unknown("items.0.values")),
      add("metadata that is a list", item({ metadata: [1] }), invalid("metadata")),
      add("metadata that is text", item({ metadata: "x" }), invalid("metadata")),
      add(
        "metadata of 2 KiB",
        item({ metadata: { text: "x".repeat(2048) } }),
        bad("item 0 ('z')", "at most 1024"),
      ),
      add("metadata of 1 MiB", item({ metadata: { text: "x".repeat(1 << 20) } }), large("300000")),
      add(
        "metadata nested too deep",
        `{"items":[{"id":"z","vector":[1,2,3],"metadata":{"a":${"[".repeat(40)}${"]".repeat(40)}}}]}`,
        bad("deeper than 32"),
      ),
      add(
        "metadata nested absurdly deep",
        `{"items":[{"id":"z","vector":[1,2,3],"metadata":{"a":${"[".repeat(100_000)}${"]".repeat(100_000)}}}]}`,
        { status: 400 },
      ),
      add(
        "vectors of another model",
        { ...item({}), embedding_model: "other" },
        conflict("'local-3'", "'other'"),
      ),
      at("/index/a/add?embedding_model=other")("add: another model in the query", {
        body: item({}),
        ...conflict("'local-3'", "'other'"),
      }),
      at("/index/a/add?embedding_model=other")("add: two models", {
        body: { ...item({}), embedding_model: "local" },
        ...bad("'other'", "'local'"),
      }),
      at("/index/a/add?dry=1")("add: an unknown query parameter", { body: item({}), ...unknown("dry") }),
      add("broken JSON", '{"items":[', noJson()),
      add("a body of another type", "a,b", unsupported("text/csv", "application/json"), {
        "content-type": "text/csv",
      }),
      add("the Arrow file format", "ARROW1", unsupported("stream format"), {
        "content-type": "application/vnd.apache.arrow.file",
      }),
      at("/index/a/add", "PUT")("add: PUT", { body: item({}), status: 405 }),
    ],
    send,
  );
});

const floats = (rows: number, dimension: number, fill = 1) => {
  const child = arrow.makeData({
    type: new arrow.Float32(),
    data: new Float32Array(rows * dimension).fill(fill),
  });
  const type = new arrow.FixedSizeList(dimension, new arrow.Field("item", new arrow.Float32()));
  return new arrow.Vector([arrow.makeData({ type, length: rows, nullCount: 0, child })]);
};
const texts = (values: readonly (string | null)[]) => arrow.vectorFromArray(values, new arrow.Utf8());
const stream = (columns: Record<string, arrow.Vector>) =>
  arrow.tableToIPC(new arrow.Table(columns as never), "stream");
const good = stream({ id: texts(["p", "q"]), vector: floats(2, 3), metadata: texts(['{"a":1}', null]) });
const arrowType = { "content-type": "application/vnd.apache.arrow.stream" };
const addArrow = (name: string, body: Uint8Array, words: string[], row: Omit<Row, "body"> = bad()) =>
  add(`arrow: ${name}`, body as Uint8Array<ArrayBuffer>, { ...row, contains: words }, arrowType);
const damaged = (change: (bytes: Uint8Array) => void) => {
  const copy = good.slice();
  change(copy);
  return copy;
};
const lists = (values: (number | null)[][]) =>
  arrow.vectorFromArray(values, new arrow.List(new arrow.Field("item", new arrow.Float64(), true)));

describe("arrow", () => {
  runCases(
    [
      addArrow("nothing", new Uint8Array(), ["empty"]),
      addArrow("text", new TextEncoder().encode("id,vector\n1,2\n"), ["continuation marker"]),
      addArrow(
        "the file format under the stream's name",
        arrow.tableToIPC(new arrow.Table({ id: texts(["p"]) } as never), "file"),
        ["file format"],
      ),
      ...[1, 7, 8, 100, 500, good.length - 200, good.length - 9, good.length - 8, good.length - 1].map(
        (length) =>
          addArrow(`cut after ${length} of ${good.length} bytes`, good.slice(0, length), ["Arrow stream"]),
      ),
      addArrow("bytes after its end", Buffer.concat([good, new Uint8Array(8)]), ["follow the end marker"]),
      addArrow(
        "a length beyond it",
        damaged((bytes) => bytes.set([255, 255, 255, 127], 4)),
        ["cut off in its metadata"],
      ),
      addArrow(
        "a schema of zeros",
        damaged((bytes) => bytes.fill(0, 8, 200)),
        ["Arrow stream"],
      ),
      addArrow("no column id", stream({ vector: floats(1, 3) }), ["expected columns id and vector"]),
      addArrow("no column vector", stream({ id: texts(["p"]) }), ["expected columns id and vector"]),
      addArrow(
        "ids that are numbers",
        stream({ id: arrow.vectorFromArray([1], new arrow.Int32()), vector: floats(1, 3) }),
        ["column id", "Utf8", "Int32"],
      ),
      addArrow("an id that is null", stream({ id: texts(["p", null]), vector: floats(2, 3) }), [
        "item 1",
        "null",
      ]),
      addArrow("an empty id", stream({ id: texts([""]), vector: floats(1, 3) }), ["item 0", "1 to 512"]),
      addArrow("an id that no URL can name", stream({ id: texts([".."]), vector: floats(1, 3) }), [
        "item 0: '..'",
      ]),
      addArrow("the same id twice", stream({ id: texts(["p", "p"]), vector: floats(2, 3) }), [
        "duplicate id",
      ]),
      addArrow("vectors of text", stream({ id: texts(["p"]), vector: texts(["1,2,3"]) }), [
        "column vector",
        "Utf8",
      ]),
      addArrow(
        "vectors of integers",
        stream({
          id: texts(["p"]),
          vector: arrow.vectorFromArray([[1, 2, 3]], new arrow.List(new arrow.Field("i", new arrow.Int32()))),
        }),
        ["column vector", "List<Int32>"],
      ),
      addArrow("a fixed size that is another", stream({ id: texts(["p"]), vector: floats(1, 4) }), [
        "expected 3 numbers",
        "got 4",
      ]),
      addArrow(
        "lists of unequal size",
        stream({
          id: texts(["p", "q"]),
          vector: lists([
            [1, 2, 3],
            [1, 2],
          ]),
        }),
        ["item 1 ('q')", "got 2"],
      ),
      addArrow(
        "null in a vector",
        stream({
          id: texts(["p", "q"]),
          vector: lists([
            [1, 2, 3],
            [1, null, 3],
          ]),
        }),
        ["item 1 ('q')", "vector[1] is null"],
      ),
      addArrow("NaN", stream({ id: texts(["p"]), vector: floats(1, 3, Number.NaN) }), [
        "item 0 ('p')",
        "vector[0] is not a number",
      ]),
      addArrow("an infinity", stream({ id: texts(["p"]), vector: floats(1, 3, -Infinity) }), [
        "vector[0] is infinite",
      ]),
      addArrow("zero vectors", stream({ id: texts(["p"]), vector: floats(1, 3, 0) }), ["zero vector"]),
      addArrow(
        "metadata that is no JSON",
        stream({ id: texts(["p"]), vector: floats(1, 3), metadata: texts(["{"]) }),
        ["item 0 ('p')", "not valid JSON"],
      ),
      addArrow(
        "metadata that is a list",
        stream({ id: texts(["p"]), vector: floats(1, 3), metadata: texts(["[1]"]) }),
        ["no JSON object"],
      ),
      addArrow(
        "metadata in binary",
        stream({
          id: texts(["p"]),
          vector: floats(1, 3),
          tag: arrow.vectorFromArray([new Uint8Array([1])], new arrow.Binary()),
        }),
        ["column tag", "Binary"],
      ),
      addArrow(
        "a field twice",
        stream({ id: texts(["p"]), vector: floats(1, 3), metadata: texts(['{"a":1}']), a: texts(["x"]) }),
        ["'a'"],
      ),
      addArrow(
        "51 items",
        stream({ id: texts(Array.from({ length: 51 }, (_, n) => `${n}`)), vector: floats(51, 3) }),
        ["at most 50 items"],
        large(),
      ),
      addArrow("no items", stream({ id: texts([]), vector: floats(0, 3) }), ["at least one item"]),
      addArrow("a body that is too long", new Uint8Array(300_001), ["300000"], large()),
    ],
    send,
  );

  test("every cut of a stream is refused, and every flipped byte of its frame", async () => {
    for (let length = 0; length < good.length; length += 3) {
      const { status } = await stack.post("/index/a/add", good.slice(0, length), arrowType);
      expect([length, status]).toEqual([length, 400]);
    }
  });
});

const bytesOf = (...values: number[]) => new Uint8Array(new Float32Array(values).buffer);
const octets = { "content-type": "application/octet-stream" };
const binary = (name: string, query: string, body: Uint8Array<ArrayBuffer>, row: Row) =>
  at(`/index/a/search${query}`)(`search: binary: ${name}`, { body, headers: octets, ...row });

const change = (name: string, body: unknown, row: Omit<Row, "body">, id = "x") =>
  at(`/index/a/items/${id}`, "PATCH")(`update: ${name}`, { body: body as ApiCase["body"], ...row });

describe("update", () => {
  runCases(
    [
      change("no item", { metadata: {} }, missing("'nope'"), "nope"),
      change("nothing", {}, bad("'metadata'", "'set'", "'unset'", "'text'")),
      change("all of it and a part", { metadata: {}, set: { a: 1 } }, bad("either 'metadata'")),
      change("a field set and unset", { set: { a: 1 }, unset: ["a"] }, bad("'a' stands in")),
      change("metadata that is a list", { metadata: [] }, invalid("metadata")),
      change("no fields to unset", { unset: [] }, invalid("unset")),
      change("the text as a field", { set: { "@text": "x" } }, bad("as 'text'")),
      change("the text away", { unset: ["@text"] }, bad("'@text'")),
      change("a text of another length", { text: "x" }, conflict("have 512")),
      change("metadata of 2 KiB", { set: { text: "x".repeat(2048) } }, bad("item 0 ('x')", "at most 1024")),
      change("a vector", { vector: [1, 2, 3] }, unknown("vector")),
      change("broken JSON", "{", noJson()),
    ],
    send,
  );
});

describe("search", () => {
  runCases(
    [
      at("/index/nope/search")("search: no index", { body: { vector: [1, 2, 3] }, ...missing() }),
      search("dimension too small", { vector: [1] }, bad("vector: expected 3 numbers", "got 1")),
      search("one of several wrong", { vector: undefined, vectors: [[1, 2, 3], [1]] }, bad("vectors[1]")),
      search("neither vector nor vectors", { vector: undefined }, bad("'vector'", "'vectors'")),
      search("both", { vectors: [[1, 2, 3]] }, bad("either", "got vector and vectors")),
      search("a text for an index of another length", { vector: undefined, text: "x" }, conflict("have 512")),
      at("/index/l2/search")("search: a text without a model", {
        body: { text: "x" },
        ...bad("'l2'", "no embedding_model"),
      }),
      search("an empty text", { vector: undefined, text: "" }, invalid("text")),
      search("no texts", { vector: undefined, texts: [] }, invalid("texts")),
      at("/index/means/search")("search: 51 texts", {
        body: { texts: Array.from({ length: 51 }, () => "x") },
        ...large("at most 50"),
      }),
      search("like nothing", { vector: undefined, like: [] }, invalid("like")),
      search(
        "like an item that is not there",
        { vector: undefined, like: ["x", "q"] },
        missing("like[1]", "'q'"),
      ),
      search("unlike alone", { vector: undefined, unlike: ["x"] }, bad("got none of them")),
      search("unlike beside a vector", { unlike: ["x"] }, invalid("unlike", "'like' beside it")),
      search(
        "like and unlike the same",
        { vector: undefined, like: ["x"], unlike: ["nope"] },
        missing("unlike[0]"),
      ),
      search("a negative offset", { offset: -1 }, invalid('"field":"offset"')),
      search(
        "an offset beyond the hits",
        { offset: 9_999 },
        invalid("offset", "10000 together", "got 10009"),
      ),
      search("a radius below 0", { max_distance: -1 }, invalid("max_distance", "0 or more")),
      search("a score that is text", { min_score: "0.5" }, invalid("min_score")),
      search("a group size without a field", { group_size: 2 }, invalid("group_size", "group_by")),
      search("an empty field to group by", { group_by: "" }, invalid("group_by")),
      search(
        "groups of several",
        { vector: undefined, vectors: [[1, 0, 0]], group_by: "state" },
        invalid("group_by"),
      ),
      search("groups that differ", { group_by: "state", mmr: {} }, invalid("mmr", "not both")),
      search("lambda above 1", { mmr: { lambda: 1.1 } }, invalid("mmr.lambda")),
      search(
        "fewer candidates than hits",
        { k: 20, mmr: { candidates: 10 } },
        invalid("mmr.candidates", "at least 20"),
      ),
      search("too many that differ", { k: 1001, mmr: {} }, invalid("mmr", "1000 together")),
      search("an unknown field of mmr", { mmr: { diversity: 1 } }, unknown("mmr.diversity")),
      search("no vectors", { vector: undefined, vectors: [] }, invalid("vectors")),
      search(
        "51 vectors",
        { vector: undefined, vectors: Array.from({ length: 51 }, () => [1, 2, 3]) },
        large("at most 50"),
      ),
      search("a zero vector", { vector: [0, 0, 0] }, bad("zero vector")),
      search("text for a vector", { vector: "abc" }, invalid("vector")),
      search("beyond 32 bits", { vector: [1e39, 0, 0] }, bad("vector[0]")),
      ...[0, -1, 1.5, 10_001, "10"].map((k) =>
        search(`k ${JSON.stringify(k)}`, { k }, invalid('"field":"k"')),
      ),
      search("ef 0", { ef: 0 }, invalid('"field":"ef"')),
      search("exact that is text", { exact: "yes" }, invalid('"field":"exact"')),
      search("include of something else", { include: ["vectors"] }, invalid("include")),
      at("/index/wide/search")("search: too many numbers in the results", {
        body: {
          vectors: Array.from({ length: 50 }, () => new Array(100).fill(1)),
          k: 10_000,
          include: ["vector"],
        },
        ...large("50 vectors with 10000 results"),
      }),
      search("an unknown field", { top_k: 3 }, unknown("top_k")),
      search("another model", { embedding_model: "other" }, conflict("'local-3'", "'other'")),
      at("/index/a/search?k=5")("search: JSON with a query parameter", {
        body: { vector: [1, 2, 3] },
        ...unknown("'k'", "binary"),
      }),
      at("/index/a/search")("search: another type", {
        body: "x",
        headers: { "content-type": "text/plain" },
        ...unsupported(),
      }),
      binary("no bytes", "", new Uint8Array(), bad("12 bytes each", "got 0 bytes")),
      binary("half a vector", "", bytesOf(1, 2, 3, 4), bad("got 16 bytes")),
      binary("a byte too many", "", new Uint8Array(13), bad("got 13 bytes")),
      binary("NaN", "", bytesOf(1, Number.NaN, 3), bad("vectors[0]", "vector[1] is not a number")),
      binary("an infinity", "", bytesOf(1, 2, 3, 1, 2, Infinity), bad("vectors[1]", "infinite")),
      binary("a filter that is no JSON", "?filter=state%3DIL", bytesOf(1, 2, 3), invalid("filter", "JSON")),
      binary(
        "a filter that is a list",
        "?filter=%5B%5D",
        bytesOf(1, 2, 3),
        invalid("filter: expected an object"),
      ),
      binary("k that is text", "?k=ten", bytesOf(1, 2, 3), invalid('"field":"k"')),
      binary("k twice", "?k=1&k=2", bytesOf(1, 2, 3), invalid("more than once")),
      binary("include of something else", "?include=id", bytesOf(1, 2, 3), invalid("include")),
      binary("an unknown parameter", "?top=1", bytesOf(1, 2, 3), unknown("top")),
      binary("too long", "", new Uint8Array(300_012), large()),
    ],
    send,
  );
});

describe("filters", () => {
  let deep: unknown = { a: 1 };
  for (let level = 0; level < 16; level++) deep = { not: deep };
  runCases(
    [
      filter("a list", [], "filter", "expected object"),
      filter("an unknown operator", { rate: { over: 5 } }, "filter.rate", "unknown operator 'over'", "gte"),
      filter("an operator with a dollar", { rate: { $gte: 5 } }, "filter.rate", "did you mean 'gte'"),
      filter("a field with a dollar", { $and: [{ a: 1 }] }, "filter.$and", "did you mean 'and'"),
      filter("a nested object", { address: { city: "Chicago" } }, "filter.address", "address.city"),
      filter("a list as value", { state: ["IL"] }, "filter.state", "for any of several"),
      filter("no operator", { rate: {} }, "filter.rate", "at least one of"),
      filter("an empty and", { and: [] }, "filter.and", "at least one"),
      filter("an empty or", { or: [] }, "filter.or", "at least one"),
      filter("and of no list", { and: { a: 1 } }, "filter.and", "list"),
      filter("an empty branch", { or: [{ a: 1 }, {}] }, "filter.or[1]", "at least one condition"),
      filter("not of a value", { not: 5 }, "filter.not", "expected an object"),
      filter(
        "a wrong place deep inside",
        { and: [{ or: [{ a: 1 }, { b: { gt: true } }] }] },
        "filter.and[0].or[1].b.gt",
        "number or a text",
      ),
      filter("17 levels", deep, `filter${".not".repeat(16)}`, "deeper than 16"),
      filter("a range of null", { rate: { gte: null } }, "filter.rate.gte", "number or a text"),
      filter("a range of both sorts", { rate: { gte: 20, lt: "x" } }, "filter.rate", "one of each"),
      filter("two lower ends", { rate: { gt: 1, gte: 1 } }, "filter.rate", "not both"),
      filter("in of no list", { state: { in: "IL" } }, "filter.state.in", "list"),
      filter("in with an object", { state: { in: ["IL", {}] } }, "filter.state.in[1]", "got {}"),
      filter("eq of a list", { state: { eq: [1] } }, "filter.state.eq"),
      filter("exists of 1", { state: { exists: 1 } }, "filter.state.exists", "true or false"),
      filter("prefix of nothing", { state: { prefix: "" } }, "filter.state.prefix", "not empty"),
      filter("a moment that is none", { at: { since: "yesterday" } }, "filter.at.since", "2024-05-01"),
      filter("the 31st of April", { at: { before: "2024-04-31" } }, "filter.at.before", "2024-04-31"),
      filter("two lower moments", { at: { since: "2024", after: "2024-01-01" } }, "filter.at", "not both"),
      filter("near a text", { at: { near: "Chicago" } }, "filter.at.near", "radius_m"),
      filter("91 degrees north", { at: { near: { lat: 91, lon: 0, radius_m: 1 } } }, "filter.at.near.lat"),
      filter(
        "a radius below 0",
        { at: { near: { lat: 1, lon: 0, radius_m: -1 } } },
        "filter.at.near.radius_m",
      ),
      filter("a circle of miles", { at: { near: { lat: 1, lon: 0, miles: 1 } } }, "filter.at.near.miles"),
      filter("contains of a number", { state: { contains: 1 } }, "filter.state.contains", "text"),
      filter("an empty field", { "": 1 }, "filter.", "1 to 512"),
      filter(
        "33 fields",
        { or: Array.from({ length: 33 }, (_, n) => ({ [`f${n}`]: 1 })) },
        "filter",
        "33 fields",
      ),
      filter(
        "1025 conditions",
        { or: Array.from({ length: 1025 }, () => ({ a: 1 })) },
        "filter.or[1023].a",
        "1024",
      ),
      search(
        "filter: an unknown field matches nothing",
        { filter: { nope: 1 } },
        { status: 200, contains: ['{"results":[]}'] },
      ),
      search("filter: {} is no filter", { filter: {} }, { status: 200, contains: ['"x"', '"y"'] }),
    ],
    send,
  );
});

const alias = (name: string, body: Record<string, unknown>, row: Omit<Row, "body">) =>
  at(`/alias/${name}`, "PUT")(`alias: ${name} ${JSON.stringify(body)}`, { body, ...row });
describe("the rest", () => {
  runCases(
    [
      at("/index/a/delete")("delete: nothing named", { body: {}, ...bad("'ids'", "'filter'") }),
      at("/index/a/delete")("delete: both", { body: { ids: ["x"], filter: { a: 1 } }, ...bad("either") }),
      at("/index/a/delete")("delete: everything by mistake", {
        body: { filter: {} },
        ...invalid("every item"),
      }),
      at("/index/a/delete")("delete: no ids", { body: { ids: [] }, ...invalid("ids") }),
      at("/index/a/delete")("delete: a bad filter", {
        body: { filter: { rate: { over: 1 } } },
        ...invalid("over"),
      }),
      at("/index/a/delete")("delete: unknown ids", {
        body: { ids: ["q"] },
        status: 200,
        contains: ['"missing":1'],
      }),
      at("/index/a/items/nope", "GET")("item: unknown", missing("'nope'")),
      at("/index/a/items/scroll", "GET")("item: named scroll", missing("'scroll'")),
      at("/index/a/items/scroll")("scroll: a token of nobody", {
        body: { page_token: "abc" },
        ...invalid("page_token"),
      }),
      at("/index/a/items/scroll")("scroll: a token of another run", {
        body: { page_token: Buffer.from("old 0 1 x gone").toString("base64url") },
        ...invalid("begin from the start"),
      }),
      at("/index/a/items/scroll")("scroll: a page of 0", { body: { page_size: 0 }, ...invalid("page_size") }),
      at("/index/a/items/scroll")("scroll: include of something else", {
        body: { include: ["id"] },
        ...invalid("include"),
      }),
      at("/index/nope", "GET")("info: unknown", missing()),
      at("/index/aa", "GET")("info: almost", missing("did you mean 'a'")),
      at("/index/a%2Fb", "GET")("info: a bad name", invalid("name")),
      at("/index/nope", "DELETE")("drop: unknown", missing()),
      at("/index/a", "DELETE")("drop: with an alias", conflict("alias now")),
      at("/index/now", "DELETE")("drop: by an alias", conflict("'now' is an alias of index 'a'")),
      at("/index/nope/compact")("compact: unknown", missing()),
      at("/index/a/snapshots/nope/restore")("restore: no such snapshot", { body: {}, ...missing() }),
      at("/index/a/snapshots/nope/restore")("restore: as an index there is", {
        body: { as: "l2" },
        ...conflict(),
      }),
      at("/index/a/snapshots/nope", "DELETE")("snapshot: no such", missing()),
      alias("other", { index: "nope" }, missing("'nope'")),
      alias("other", { index: "now" }, conflict("alias itself")),
      alias("l2", { index: "a" }, conflict("index named 'l2'")),
      alias("other", {}, invalid("index")),
      alias("-", { index: "a" }, invalid("name")),
      at("/alias/nope/rollback")("alias: rollback of none", missing()),
      at("/alias/now/rollback")("alias: nothing to go back to", conflict("nothing to go back to")),
      at("/alias/nope", "DELETE")("alias: drop of none", missing()),
    ],
    send,
  );
});
