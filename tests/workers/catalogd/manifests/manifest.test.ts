/** The file format: exact both ways, read by others, pinned, and never taken when damaged. */
import { afterAll, describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { parquetMetadata, parquetReadObjects } from "hyparquet";
import { seal, sealKey } from "../../../../workers/catalogd/manifests/checksum.ts";
import { manifestKey, parseManifestKey } from "../../../../workers/catalogd/manifests/key.ts";
import {
  decodeManifest,
  encodeManifest,
  formatKey,
} from "../../../../workers/catalogd/manifests/manifest.ts";
import type { Column, Version } from "../../../../workers/catalogd/versions/version.ts";
import { seeded } from "../../../support/campaigns/seeded.ts";
import { temporaryDirectory } from "../../../support/stacks/in-process.ts";

const most = Number.MAX_SAFE_INTEGER;
const sample: Version = {
  dataset_id: "3f0c5c1e-0000-4000-8000-00000000002a",
  name: "workers",
  version: 3,
  parent: 2,
  schema_fingerprint: "ab".repeat(32),
  columns: [
    { name: "id", type: "BIGINT", nullable: false },
    { name: "Straße 😀", type: 'STRUCT("a b" INTEGER, c DECIMAL(18,3)[])', nullable: true },
    { name: "__proto__", type: "VARCHAR", nullable: true },
  ],
  objects: [
    {
      key: "datasets/workers/ä/1.parquet",
      bytes: most,
      etag: "e1",
      row_count: most,
      statistics: [
        {
          column: "id",
          field_id: 1,
          null_count: 0,
          value_count: most,
          compressed_bytes: 12,
          min: "-9223372036854775808",
          max: "9223372036854775807",
        },
        { column: "Straße 😀", field_id: 2, min: "", max: "\u{10ffff}\n\"'" },
        { column: "__proto__", field_id: 2_147_483_647, null_count: 4 },
      ],
    },
    { key: "primary://datasets/2", bytes: 0, etag: "e2", row_count: 0, statistics: [] },
  ],
  row_count: most,
  bytes: most,
  operation: "append",
  made_by: "ingestd",
  created_at: "2026-01-02T03:04:05.678Z",
};
const { parent: _, ...first } = sample;
const many = (count: number): Version["objects"] =>
  Array.from({ length: count }, (_, at) => ({
    key: `datasets/workers/${at}.parquet`,
    bytes: at,
    etag: `e${at}`,
    row_count: at % 7,
    statistics: at % 3 === 0 ? [] : [{ column: "id", field_id: 1, ...(at % 2 === 0 && { min: `${at}` }) }],
  }));

const rows: readonly (readonly [string, Version])[] = [
  ["a whole version", sample],
  ["a first version without parent", { ...first, version: 1 }],
  ["no objects", { ...sample, objects: [], row_count: 0, bytes: 0 }],
  ["a tombstone", { ...sample, objects: [], row_count: 0, bytes: 0, operation: "drop" }],
  [
    "one column, empty made_by",
    { ...sample, columns: [{ name: " ", type: "INTEGER", nullable: true }], made_by: "" },
  ],
  ["the seal's own key as text", { ...sample, made_by: `${sealKey}\u0018@${"0".repeat(64)}` }],
  ["3,000 objects", { ...sample, objects: many(3000) }],
  [
    "5,000 columns",
    {
      ...sample,
      columns: Array.from({ length: 5000 }, (_, at) => ({
        name: `c${at}`,
        type: "DATE",
        nullable: at % 2 === 0,
      })),
    },
  ],
  ["the last version", { ...sample, version: 99_999_999, created_at: "1970-01-01T00:00:00.000Z" }],
];

test.each(rows)("round trip: %s", async (_name, version) => {
  expect(await decodeManifest(encodeManifest(version))).toEqual(version);
});

test("field ids are kept, and a version without any is as it was before there were ids", async () => {
  const [id, nested, last] = sample.columns as [Column, Column, Column];
  const version: Version = {
    ...sample,
    columns: [
      { ...id, field_id: 1 },
      { ...nested, field_id: 2, nested_ids: [4, 5, 6] },
      { ...last, field_id: 3 },
    ],
    last_column_id: 9,
  };
  expect(await decodeManifest(encodeManifest(version))).toEqual(version);
  const { schema } = parquetMetadata(encodeManifest(sample).slice().buffer);
  expect(schema.map(({ name }) => name)).not.toContain("nested_ids");
});

test("columns that objects have are kept, in a format that programs which know none refuse", async () => {
  const [, ...columns] = sample.columns;
  const version: Version = {
    ...sample,
    schema_id: 2,
    last_schema_id: 3,
    schemas: [{ schema_id: 0, columns: sample.columns.map((column) => ({ ...column, comment: "before" })) }],
    columns,
    objects: sample.objects.map((object, at) => (at === 0 ? { ...object, schema_id: 2 } : object)),
  };
  const bytes = encodeManifest(version);
  expect(await decodeManifest(bytes)).toEqual(version);
  const pairs = parquetMetadata(bytes.slice().buffer).key_value_metadata ?? [];
  expect(pairs.find(({ key }) => key === formatKey)?.value).toBe("2");
});

test("a number beyond 2^53 is refused, not rounded", () => {
  expect(() => encodeManifest({ ...sample, row_count: 2 ** 53 })).toThrow("no safe integer");
});

test("forms of texts are kept, and a version without any is as it was before there were forms", async () => {
  const [id, ...others] = sample.columns as [Version["columns"][number], ...Version["columns"]];
  const formed: Version = { ...sample, columns: [{ ...id, form: "shortest" }, ...others] };
  expect(await decodeManifest(encodeManifest(formed))).toEqual(formed);
  const [schema] = [parquetMetadata(encodeManifest(sample).slice().buffer).schema];
  expect(schema.map(({ name }) => name)).not.toContain("form");
});

describe("other readers", () => {
  const directory = temporaryDirectory("manifest");
  afterAll(directory.remove);

  test("DuckDB sees the types and values", async () => {
    const path = join(directory.path, "m.parquet");
    writeFileSync(path, encodeManifest(sample));
    const connection = await (await DuckDBInstance.create()).connect();
    const query = async (sql: string) => (await connection.runAndReadAll(sql)).getRowsJson();
    const types = await query(`SELECT column_name, column_type FROM (DESCRIBE FROM '${path}')`);
    expect(Object.fromEntries(types)).toEqual({
      dataset_id: "VARCHAR",
      name: "VARCHAR",
      version: "BIGINT",
      parent: "BIGINT",
      schema_fingerprint: "VARCHAR",
      columns: 'STRUCT("name" VARCHAR, "type" VARCHAR, nullable BOOLEAN)[]',
      objects:
        'STRUCT("key" VARCHAR, bytes BIGINT, etag VARCHAR, row_count BIGINT, "statistics" STRUCT("column" VARCHAR, field_id BIGINT, null_count BIGINT, value_count BIGINT, compressed_bytes BIGINT, min VARCHAR, max VARCHAR)[])[]',
      row_count: "BIGINT",
      bytes: "BIGINT",
      operation: "VARCHAR",
      made_by: "VARCHAR",
      created_at: "TIMESTAMP WITH TIME ZONE",
    });
    expect(
      await query(
        `SELECT version, objects[1].bytes, objects[1].statistics[2].max, len(objects), objects[2].statistics, epoch_ms(created_at) FROM '${path}'`,
      ),
    ).toEqual([["3", String(most), "\u{10ffff}\n\"'", "2", [], String(Date.parse(sample.created_at))]]);
    connection.closeSync();
  });

  test("hyparquet sees INT64 as bigint and the metadata", async () => {
    const file = encodeManifest(sample).slice().buffer;
    const [row] = await parquetReadObjects({ file });
    expect(row?.version).toBe(3n);
    expect(row?.objects[0].row_count).toBe(BigInt(most));
    expect(row?.created_at).toEqual(new Date(sample.created_at));
    const pairs = parquetMetadata(file).key_value_metadata?.map(({ key, value }) => [key, value]) ?? [];
    expect(Object.fromEntries(pairs)).toEqual({
      [formatKey]: "1",
      [sealKey]: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
  });
});

describe("the golden file", () => {
  const golden = readFileSync(join(import.meta.dir, "../../../fixtures/catalogd/manifest-format-1.parquet"));
  test("of format 1 is read", async () => {
    expect(await decodeManifest(golden)).toEqual(sample);
  });
  test("is what is written", () => {
    expect(Buffer.from(encodeManifest(sample)).equals(golden)).toBe(true);
  });
});

/** Why the file is refused; fails when it is not. */
const refusal = async (bytes: Uint8Array): Promise<string> => {
  const outcome = await decodeManifest(bytes).then(
    () => "it was taken",
    (error) => `${error.type}: ${error.message}`,
  );
  expect(outcome).toStartWith("corrupt: ");
  return outcome;
};

describe("a damaged file is refused", () => {
  const whole = encodeManifest(sample);

  test("cut off at every byte", async () => {
    for (let length = 0; length < whole.length; length++) await refusal(whole.slice(0, length));
  });

  test("one bit flipped in every byte", async () => {
    for (let at = 0; at < whole.length; at++) {
      const damaged = whole.slice();
      damaged[at] = (damaged[at] ?? 0) ^ (1 << (at % 8));
      await refusal(damaged);
    }
  });

  test("a large one: cut at every 64th byte, bits flipped at seeded offsets", async () => {
    const large = encodeManifest({ ...sample, objects: many(500) });
    for (let length = 0; length < large.length; length += 64) await refusal(large.slice(0, length));
    const random = seeded(42);
    for (let turn = 0; turn < 300; turn++) {
      const damaged = large.slice();
      const at = Math.floor(random() * damaged.length);
      damaged[at] = (damaged[at] ?? 0) ^ (1 << Math.floor(random() * 8));
      await refusal(damaged);
    }
  });

  test("zeros, bytes appended, two files in one, nothing", async () => {
    await refusal(new Uint8Array(whole.length));
    await refusal(Buffer.concat([whole, new Uint8Array(8)]));
    await refusal(Buffer.concat([whole, whole]));
    expect(await refusal(new Uint8Array())).toContain("cut short or not a manifest");
  });
});

/** A sealed file whose bytes were changed before sealing. */
const forged = (from: string, to: string): Uint8Array => {
  const bytes = Buffer.from(encodeManifest(sample));
  const at = bytes.lastIndexOf(sealKey) + sealKey.length + 2;
  bytes.write("0".repeat(64), at);
  const found = bytes.lastIndexOf(from);
  expect(found).toBeGreaterThan(0);
  bytes.write(to, found, "latin1");
  return seal(bytes);
};

test("a newer format is refused as such", async () => {
  const reason = await refusal(forged(`${formatKey}\u0018\u00011`, `${formatKey}\u0018\u00014`));
  expect(reason).toContain(
    "its format is 4, written by a newer version of the program; this version reads up to 3",
  );
});

test("a sealed file that is no Parquet file is refused", async () => {
  expect(await refusal(forged("PAR1", "PAR2"))).toContain("does not read as a manifest");
});

test("keys and their inverse", () => {
  expect(manifestKey("workers", 42)).toBe("_catalog/manifests/workers/v00000042.parquet");
  expect(parseManifestKey(manifestKey("_x", 99_999_999))).toEqual({ name: "_x", version: 99_999_999 });
  for (const key of [
    "a/v00000001.parquet",
    "_catalog/manifests/a/v1.parquet",
    "_catalog/manifests/a/v00000000.parquet",
    "_catalog/manifests/a/v00000001.parquet.part",
    "_catalog/manifests/a-b/v00000001.parquet",
    "_catalog/manifests/a/b/v00000001.parquet",
  ])
    expect(parseManifestKey(key)).toBeUndefined();
});
