/** Open tables through the REST catalog: their life, what is refused, and what survives. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Catalog, startCatalog, twoColumns } from "../../../support/stacks/catalogd.ts";
import { temporaryDirectory } from "../../../support/stacks/in-process.ts";
import { schema, type Tables, tablesOf } from "../../../support/tables/open-tables.ts";

const directory = temporaryDirectory("open");
let catalog: Catalog;
let tables: Tables;
const begin = async () => {
  catalog = await startCatalog(directory.path);
  tables = tablesOf(catalog.send, catalog.storaged.peer.verbs);
};
beforeAll(begin);
afterAll(async () => {
  await catalog.stop();
  directory.remove();
});

const open = "/namespaces/open";
const fileOf = (address: string) => address.slice("file://".length);

test("a place that a client named for a staged table is empty, one that the catalog gave has its folders", async () => {
  await tables.ask("POST", "/namespaces", { namespace: ["open"] });
  const staged = async (name: string, location?: string) => {
    const asked = { name, schema, "stage-create": true, ...(location !== undefined && { location }) };
    const { status, body } = await tables.ask("POST", `${open}/tables`, asked);
    expect(status).toBe(200);
    return fileOf(body.metadata.location);
  };
  const given = await staged("given");
  expect(readdirSync(given).sort()).toEqual(["data", "metadata"]);
  const named = join(given, "..", "named-by-it");
  expect(await staged("named", `file://${named}`)).toBe(named);
  // Engines that name a place refuse one where something is.
  expect(existsSync(named)).toBe(false);
});

test("a table is made, committed to, read as versions, and is the same after a restart", async () => {
  const metadata = await tables.make("jobs");
  expect(metadata.schemas[0].fields.map(({ id }: { id: number }) => id)).toEqual([1, 2]);
  const first = await tables.append("jobs", metadata, [{ path: "a.parquet", rows: 2 }]);
  expect(first).toMatchObject({ status: 200 });
  expect(first.body["metadata-location"]).toContain("/metadata/00001-");
  const stale = await tables.append("jobs", metadata, [{ path: "b.parquet", rows: 1 }]);
  expect(stale).toMatchObject({ status: 409, body: { error: { type: "CommitFailedException" } } });
  const second = await tables.append("jobs", first.body.metadata, [{ path: "b.parquet", rows: 3 }]);
  expect(second.body.metadata["metadata-log"]).toHaveLength(2);

  const { versions } = await catalog.verbs.versions({ name: "open.jobs" });
  expect(versions.map(({ operation, row_count, made_by }) => [operation, row_count, made_by])).toEqual([
    ["commit", 5, "Tester/1"],
    ["commit", 2, "Tester/1"],
    ["create", 0, "Tester/1"],
  ]);
  const manifest = await catalog.verbs.manifest({ name: "open.jobs" });
  expect(manifest.columns.map(({ name, type, field_id }) => [name, type, field_id])).toEqual([
    ["id", "BIGINT", 1],
    ["name", "VARCHAR", 2],
  ]);
  const { files } = await catalog.verbs.files({ name: "open.jobs", version: 3 });
  expect(files.map(({ key, row_count }) => [key.split("/").at(-1), row_count])).toEqual([
    ["a.parquet", 2],
    ["b.parquet", 3],
  ]);
  await catalog.stop();
  await begin();
  const again = await tables.ask("GET", `${open}/tables/jobs`);
  expect(again.body.metadata).toEqual(second.body.metadata);
  expect(await catalog.verbs.manifest({ name: "open.jobs" })).toEqual(manifest);
});

test("a version that was left is returned to by its snapshot, as a new version", async () => {
  const metadata = await tables.make("back");
  const first = await tables.append("back", metadata, [{ path: "a.parquet", rows: 2 }]);
  await tables.append("back", first.body.metadata, [{ path: "b.parquet", rows: 3 }]);
  const made = await catalog.verbs.rollback({ name: "open.back", version: 2 });
  expect([made.version, made.operation, made.row_count]).toEqual([4, "rollback", 2]);
  const { body } = await tables.ask("GET", `${open}/tables/back`);
  expect(body.metadata.refs.main["snapshot-id"]).toBe(first.body.metadata["current-snapshot-id"]);
  expect(body.metadata.snapshots).toHaveLength(2);
  // To where it is: nothing. To before its first snapshot: no rows, and back again.
  expect((await catalog.verbs.rollback({ name: "open.back", version: 4 })).version).toBe(4);
  const empty = await catalog.verbs.rollback({ name: "open.back", version: 1 });
  expect([empty.version, empty.row_count]).toEqual([5, 0]);
  expect((await catalog.verbs.files({ name: "open.back", version: 5 })).files).toEqual([]);
  expect((await catalog.verbs.rollback({ name: "open.back", version: 1 })).version).toBe(5);
  const full = await catalog.verbs.rollback({ name: "open.back", version: 3 });
  expect([full.version, full.row_count]).toEqual([6, 5]);
  // Another table of the name has no snapshots of the one before.
  await tables.ask("DELETE", `${open}/tables/back`);
  await tables.append("back", await tables.make("back"), [{ path: "c.parquet", rows: 1 }]);
  for (const version of [1, 3])
    await expect(catalog.verbs.rollback({ name: "open.back", version })).rejects.toMatchObject({
      type: "conflict",
      message: expect.stringMatching(/another table of this name.*register its metadata/),
    });
  expect((await catalog.verbs.manifest({ name: "open.back" })).row_count).toBe(1);
});

test("branches, tags, specs and sort orders are kept as they are given, and ids of 63 bits", async () => {
  const metadata = await tables.make("kept");
  const id = "8723432189764512377";
  const first = await tables.append("kept", metadata, [{ path: "a.parquet", rows: 1 }]);
  const main = first.body.metadata["current-snapshot-id"];
  const list = first.body.metadata.snapshots[0]["manifest-list"];
  const snapshot = `{"snapshot-id":${id},"parent-snapshot-id":${main},"sequence-number":2,"timestamp-ms":${Date.now()},"manifest-list":"${list}","summary":{"operation":"append"}}`;
  const spec = {
    "spec-id": 1,
    fields: [{ "source-id": 1, "field-id": 1000, name: "b", transform: "bucket[4]" }],
  };
  const order = {
    "order-id": 1,
    fields: [{ "source-id": 2, transform: "identity", direction: "asc", "null-order": "nulls-first" }],
  };
  const text = `{"requirements":[],"updates":[{"action":"add-snapshot","snapshot":${snapshot}},
    {"action":"set-snapshot-ref","ref-name":"audit","type":"branch","snapshot-id":${id},"min-snapshots-to-keep":3},
    {"action":"set-snapshot-ref","ref-name":"v1","type":"tag","snapshot-id":${main}},
    {"action":"add-spec","spec":${JSON.stringify(spec)}},{"action":"set-default-spec","spec-id":-1},
    {"action":"add-sort-order","sort-order":${JSON.stringify(order)}},{"action":"set-default-sort-order","sort-order-id":-1}]}`;
  expect(await tables.ask("POST", `${open}/tables/kept`, text)).toMatchObject({ status: 200 });
  await catalog.stop();
  await begin();
  const response = await catalog.send(new Request(`http://localhost/iceberg/v1/main${open}/tables/kept`));
  const raw = await response.text();
  expect(raw).toContain(`"audit":{"ref-name":"audit"`.slice(0, 9));
  expect(raw).toContain(`"snapshot-id":${id}`);
  const { metadata: kept } = JSON.parse(raw);
  expect(kept.refs.audit).toMatchObject({ type: "branch", "min-snapshots-to-keep": 3 });
  expect(kept.refs.v1).toMatchObject({ type: "tag", "snapshot-id": main });
  expect(kept.refs.main["snapshot-id"]).toBe(main);
  expect(kept["partition-specs"].at(-1).fields).toEqual(spec.fields);
  expect(kept["default-sort-order-id"]).toBe(1);
});

test("several tables are changed together, or none", async () => {
  const [one, two] = [await tables.make("one"), await tables.make("two")];
  const change = (name: string, uuid: string, value: string) => ({
    identifier: { namespace: ["open"], name },
    requirements: [{ type: "assert-table-uuid", uuid }],
    updates: [{ action: "set-properties", updates: { value } }],
  });
  const other = crypto.randomUUID();
  const both = (uuid: string, value: string) => ({
    "table-changes": [change("two", two["table-uuid"], value), change("one", uuid, value)],
  });
  expect(await tables.ask("POST", "/transactions/commit", both(other, "x"))).toMatchObject({ status: 409 });
  expect((await tables.ask("GET", `${open}/tables/two`)).body.metadata.properties).toEqual({});
  expect(await tables.ask("POST", "/transactions/commit", both(one["table-uuid"], "y"))).toMatchObject({
    status: 204,
  });
  for (const name of ["one", "two"])
    expect((await tables.ask("GET", `${open}/tables/${name}`)).body.metadata.properties).toEqual({
      value: "y",
    });
});

test("of many who commit at once none is lost", async () => {
  let metadata = await tables.make("busy");
  const uuid = metadata["table-uuid"];
  const writer = async (at: number) => {
    for (let made = 0; made < 5; ) {
      const name = `w${at}-${made}`;
      const body = {
        requirements: [{ type: "assert-table-uuid", uuid }],
        updates: [{ action: "set-properties", updates: { [name]: "1" } }],
      };
      const { status } = await tables.ask("POST", `${open}/tables/busy`, body);
      if (status === 200) made += 1;
      else expect(status).toBe(409);
    }
  };
  await Promise.all(Array.from({ length: 8 }, (_, at) => writer(at)));
  metadata = (await tables.ask("GET", `${open}/tables/busy`)).body.metadata;
  expect(Object.keys(metadata.properties)).toHaveLength(40);
  expect((await catalog.verbs.manifest({ name: "open.busy" })).version).toBe(41);
});

test("a table is renamed, dropped, registered again, and purged with its own files alone", async () => {
  const metadata = await tables.make("moving");
  await tables.ask("POST", "/namespaces", { namespace: ["other ns"] });
  const rename = {
    source: { namespace: ["open"], name: "moving" },
    destination: { namespace: ["other ns"], name: "moved" },
  };
  expect(await tables.ask("POST", "/tables/rename", rename)).toMatchObject({ status: 204 });
  expect(await tables.ask("GET", `${open}/tables/moving`)).toMatchObject({ status: 404 });
  // Java writes a blank as a plus.
  const moved = await tables.ask("GET", "/namespaces/other+ns/tables/moved");
  expect(moved.body.metadata).toEqual(metadata);
  expect(await tables.ask("DELETE", "/namespaces/other%20ns")).toMatchObject({
    status: 409,
    body: { error: { type: "NamespaceNotEmptyException" } },
  });
  expect(await tables.ask("DELETE", "/namespaces/other%20ns/tables/moved")).toMatchObject({ status: 204 });
  const at = moved.body["metadata-location"];
  expect(existsSync(fileOf(at))).toBe(true);
  const registered = await tables.ask("POST", `${open}/register`, { name: "again", "metadata-location": at });
  expect(registered).toMatchObject({ status: 200, body: { "metadata-location": at } });
  const beside = await tables.make("beside");
  expect(await tables.ask("DELETE", `${open}/tables/again?purgeRequested=true`)).toMatchObject({
    status: 204,
  });
  const left = readdirSync(fileOf(metadata.location), { recursive: true }).filter(
    (name) => !/^(data|metadata)$/.test(String(name)),
  );
  expect(left).toEqual([]);
  expect(existsSync(join(fileOf(beside.location), "metadata"))).toBe(true);
  expect(await tables.ask("GET", `${open}/tables/beside`)).toMatchObject({ status: 200 });
});

test("a dataset becomes a table that others change: its files stay, and its history", async () => {
  const object = await catalog.object("datasets/worked/1");
  await catalog.verbs.register({ name: "worked", columns: twoColumns, objects: [object] });
  const at = "/namespaces/main/tables/worked";
  const change = { requirements: [], updates: [{ action: "set-properties", updates: { owner: "x" } }] };
  expect(await tables.ask("POST", at, change)).toMatchObject({ status: 403 });
  const opened = await catalog.verbs.open({ name: "worked" });
  expect([opened.version, opened.operation, opened.row_count]).toEqual([2, "open", 1]);
  const { body } = await tables.ask("GET", at);
  expect(body.metadata.location).toContain("/buckets/warehouse/main/worked-");
  expect(body.metadata.properties).toMatchObject({ "gc.enabled": "false" });
  expect(body.metadata.properties).not.toHaveProperty("write.data.path");
  expect(await tables.ask("POST", at, change)).toMatchObject({ status: 200 });
  const { files } = await catalog.verbs.files({ name: "worked", version: 3 });
  expect(files.map(({ key }) => key)).toEqual(["datasets/worked/1"]);
  // Its objects are named as long as the table is, whatever becomes of the versions before.
  const expired = await catalog.verbs.expire({ name: "worked", keep_versions: 1, older_than_days: 0 });
  expect(expired.objects).toEqual([]);
  expect((await catalog.verbs.manifest({ name: "worked" })).objects.map(({ key }) => key)).toEqual([
    "datasets/worked/1",
  ]);
  const more = await catalog.object("datasets/worked/2");
  const again = { name: "worked", columns: twoColumns, objects: [more] };
  expect(catalog.verbs.register(again)).rejects.toMatchObject({ type: "unprocessable" });
  const dropped = await catalog.verbs.evolve({ name: "worked", drop: ["name"] });
  expect([dropped.operation, dropped.columns.map(({ name }) => name)]).toEqual(["evolve", ["id"]]);
});

test("metadata that is gone or damaged is refused by name, and the other tables work", async () => {
  await tables.make("well");
  for (const name of ["gone", "damaged"]) await tables.make(name);
  const locationOf = async (name: string) =>
    (await catalog.verbs.manifest({ name: `open.${name}` })).metadata_location ?? "";
  rmSync(fileOf(await locationOf("gone")));
  expect(await tables.ask("GET", `${open}/tables/gone`)).toMatchObject({
    status: 404,
    body: { error: { type: "NotFoundException" } },
  });
  writeFileSync(fileOf(await locationOf("damaged")), '{"format-version":2');
  await catalog.stop();
  await begin();
  const damaged = await tables.ask("GET", `${open}/tables/damaged`);
  expect(damaged).toMatchObject({ status: 422 });
  expect(damaged.body.error.message).toContain("Cannot parse metadata file file:///");
  expect(catalog.verbs.files({ name: "open.damaged", version: 1 })).rejects.toMatchObject({
    type: "corrupt",
  });
  expect(await tables.ask("GET", `${open}/tables/well`)).toMatchObject({ status: 200 });
});

describe("what a client asks for outside of its table is refused", () => {
  const outside: [string, string][] = [
    ["another folder", "file:///etc/passwd"],
    ["around the table", "{location}/../other"],
    ["beside the table by its name", "{location}x/data/a.parquet"],
    ["another scheme", "http://localhost/a.parquet"],
    ["no address", "data/a.parquet"],
    ["S3", "s3://bucket/a.parquet"],
  ];
  const refused = (answer: { status: number; body: { error: { type: string } } }) =>
    expect([answer.status, answer.body.error.type]).toEqual([400, "BadRequestException"]);
  test.each(outside)("%s", async (what, template) => {
    const name = what.replaceAll(" ", "_");
    const metadata = await tables.make(name);
    const address = template.replace("{location}", metadata.location);
    // A table may be beside another one.
    const isPlace = what.startsWith("beside");
    if (!isPlace)
      refused(await tables.ask("POST", `${open}/tables`, { name: `${name}_2`, schema, location: address }));
    if (!isPlace)
      refused(
        await tables.ask("POST", `${open}/register`, { name: `${name}_2`, "metadata-location": address }),
      );
    const path = /^[a-z0-9]+:/.test(address) ? address : `relative:${address}`;
    refused(await tables.append(name, metadata, [{ path, rows: 1 }]));
    const inside = [{ path: "a.parquet", rows: 1 }];
    const commit = (update: object) =>
      tables.ask("POST", `${open}/tables/${name}`, { requirements: [], updates: [update] });
    const snapshot = {
      "snapshot-id": 1,
      "sequence-number": 1,
      "timestamp-ms": Date.now(),
      "manifest-list": address,
      summary: { operation: "append" },
    };
    refused(await commit({ action: "add-snapshot", snapshot }));
    if (!isPlace) refused(await commit({ action: "set-location", location: address }));
    refused(
      await commit({
        action: "set-statistics",
        "snapshot-id": 1,
        statistics: { "snapshot-id": 1, "statistics-path": address },
      }),
    );
    for (const property of ["write.data.path", "write.metadata.path", "write.object-storage.path"])
      refused(await commit({ action: "set-properties", updates: { [property]: address } }));
    expect((await tables.append(name, metadata, inside)).status).toBe(200);
  });

  test("the place of another table, around it or in it", async () => {
    const { location } = await tables.make("held");
    for (const place of [
      location,
      `${location}/data`,
      location.slice(0, location.lastIndexOf("/")),
      `${location}/metadata/x`,
    ])
      refused(await tables.ask("POST", `${open}/tables`, { name: "thief", schema, location: place }));
  });
});

describe("refusals", () => {
  const rows: [string, string, unknown, number, string][] = [
    ["POST", "/namespaces", { namespace: ["a", "b"] }, 400, "one level"],
    ["POST", "/namespaces", { namespace: ["pg_x"] }, 400, "SQL has its own use"],
    ["POST", "/namespaces", { namespace: ["temp"] }, 400, "SQL has its own use"],
    ["POST", "/namespaces", { namespace: ["a/b"] }, 400, "expected 1 to 100 ASCII letters"],
    ["POST", "/namespaces", { namespace: ["open"] }, 409, "Namespace already exists: open"],
    ["POST", "/namespaces", { namespace: ["OPEN"] }, 409, "Namespace already exists: open"],
    ["POST", "/namespaces", { namespace: ["main"] }, 409, "Namespace already exists: main"],
    ["POST", "/namespaces", { namespace: ["x"], properties: { a: 1 } }, 400, "object of texts"],
    ["POST", "/namespaces", "{", 400, "expected JSON"],
    ["POST", "/namespaces", "[]", 400, "expected a JSON object"],
    ["DELETE", "/namespaces/none", undefined, 404, "Namespace does not exist: none"],
    ["DELETE", "/namespaces/main", undefined, 403, "published for reading"],
    ["POST", `${open}/properties`, { removals: ["a"], updates: { a: "1" } }, 422, "simultaneously"],
    ["POST", `${open}/properties`, { removals: "a" }, 400, "removals as a list"],
    ["POST", "/namespaces/none/tables", { name: "t", schema }, 404, "Namespace does not exist: none"],
    ["POST", `${open}/tables`, { name: "t" }, 400, "Expected schema"],
    ["POST", `${open}/tables`, { name: "t/x", schema }, 400, "Invalid table name"],
    ["POST", `${open}/tables`, { schema }, 400, "Invalid table name"],
    ["POST", `${open}/tables`, { name: "there", schema }, 409, "Table already exists: open.there"],
    ["POST", `${open}/tables`, { name: "There", schema }, 409, "differs only by case"],
    [
      "POST",
      `${open}/tables`,
      { name: "t", schema, properties: { "format-version": "9" } },
      400,
      "format version: 9",
    ],
    [
      "POST",
      `${open}/tables/none`,
      { requirements: [], updates: [] },
      404,
      "Table does not exist: open.none",
    ],
    [
      "POST",
      `${open}/tables/there`,
      { requirements: [{ type: "x" }], updates: [] },
      400,
      "Unknown requirement: x",
    ],
    ["POST", `${open}/tables/there`, { updates: [{ action: "x" }] }, 400, "metadata update action: x"],
    ["POST", `${open}/tables/there`, { updates: "x" }, 400, "Expected updates as a list"],
    ["POST", `${open}/tables/there`, { updates: [1] }, 400, "list of objects"],
    [
      "POST",
      `${open}/tables/there`,
      { requirements: [{ type: "assert-create" }] },
      409,
      "table already exists",
    ],
    ["DELETE", `${open}/tables/none`, undefined, 404, "Table does not exist"],
    ["DELETE", "/namespaces/main/tables/none?purgeRequested=true", undefined, 403, "published for reading"],
    [
      "POST",
      "/tables/rename",
      { source: { namespace: ["open"], name: "there" }, destination: { namespace: ["main"], name: "x" } },
      403,
      "published",
    ],
    [
      "POST",
      "/tables/rename",
      { source: { namespace: ["open"], name: "there" }, destination: { namespace: ["none"], name: "x" } },
      404,
      "Namespace does not exist: none",
    ],
    [
      "POST",
      "/tables/rename",
      { source: { namespace: ["open"], name: "none" }, destination: { namespace: ["open"], name: "x" } },
      404,
      "Table does not exist",
    ],
    ["POST", "/transactions/commit", { "table-changes": [] }, 400, "at least one"],
    ["POST", `${open}/register`, { name: "t", "metadata-location": 3 }, 400, "expected an address"],
    ["GET", "/namespaces/open%1Fdeep/tables/t", undefined, 404, "Table does not exist: open.deep.t"],
  ];
  beforeAll(() => tables.make("there"));
  test.each(rows)("%s %s %p", async (method, path, body, status, message) => {
    const answer = await tables.ask(method, path, body);
    expect(answer.status).toBe(status);
    expect(answer.body.error.message).toContain(message);
    expect(answer.body.error.code).toBe(status);
  });

  test("a manifest that is none, and one that is gone", async () => {
    const metadata = await tables.make("unread");
    const snapshot = (list: string) => ({
      "snapshot-id": 5,
      "sequence-number": 1,
      "timestamp-ms": Date.now(),
      "manifest-list": list,
      summary: { operation: "append" },
    });
    writeFileSync(join(fileOf(metadata.location), "metadata/odd.avro"), "x");
    for (const name of ["odd", "none"]) {
      const updates = [
        { action: "add-snapshot", snapshot: snapshot(`${metadata.location}/metadata/${name}.avro`) },
      ];
      const answer = await tables.ask("POST", `${open}/tables/unread`, { requirements: [], updates });
      expect(answer).toMatchObject({ status: 400 });
      expect(answer.body.error.message).toContain(`${name}.avro`);
    }
  });
});
