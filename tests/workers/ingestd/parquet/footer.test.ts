/** Parquet files that no native code may see, and footers that are none. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { typeNestingMax } from "../../../../runtime/sql/type-grammar.ts";
import { durationsOf } from "../../../../workers/ingestd/parquet/arrow-schema.ts";
import { seeded } from "../../../support/campaigns/seeded.ts";
import { nestedGroups, parquetOf, varint } from "../../../support/hard-inputs/parquet-bytes.ts";
import { type IngestStack, startIngestStack } from "../../../support/stacks/ingestd.ts";

let stack: IngestStack;
beforeAll(async () => {
  stack = await startIngestStack();
});
afterAll(() => stack.stop());

const folder = join(import.meta.dir, "../../../fixtures/ingestd/parquet");

describe("nesting", () => {
  const deepest = typeNestingMax;
  test("as deep as types go, of groups and of lists", async () => {
    for (const kind of ["group", "list"] as const) {
      const { status, answer, error } = await stack.ingest(
        `deep_${kind}`,
        nestedGroups(deepest, kind) as unknown as BodyInit,
      );
      expect(`${status} ${error.message}`).toBe("200 ");
      expect(answer.manifest.columns[0]?.type).toBe(
        kind === "list"
          ? `INTEGER${"[]".repeat(deepest)}`
          : `${"STRUCT(a ".repeat(deepest)}INTEGER${")".repeat(deepest)}`,
      );
    }
  });

  for (const kind of ["group", "list"] as const)
    for (const levels of [deepest + 1, 100, 20_000])
      test(`${levels} levels of ${kind} are refused before DuckDB sees them`, async () => {
        const body = nestedGroups(levels, kind) as unknown as BodyInit;
        for (const { status, error } of [
          await stack.ingest("deeper", body),
          await stack.post("/ingest/preview", body),
        ])
          expect([status, error.message]).toEqual([
            422,
            `the schema of the Parquet file nests ${levels} levels deep; types nest at most ${deepest} levels`,
          ]);
      });

  test("thirty lists that hold a value are refused at once", async () => {
    const path = join(stack.directory, "thirty.parquet");
    await stack.query(`COPY (SELECT ${"[".repeat(30)}1${"]".repeat(30)} AS a) TO '${path}' (FORMAT parquet)`);
    const { status, error } = await stack.ingest("thirty", Bun.file(path));
    expect([status, error.message]).toEqual([422, expect.stringContaining("nests 30 levels deep")]);
  });
});

/** A file whose schema has so many columns, and nothing else. */
function wide(columns: number): Buffer {
  const elements = Array.from({ length: columns }, (_, at) => {
    const name = Buffer.from(`c${at}`);
    return [0x15, 0x02, 0x25, 0, 0x18, name.length, ...name, 0];
  });
  const root = [0x48, 1, 114, 0x15, ...varint(2 * columns), 0];
  return parquetOf([0x19, 0xfc, ...varint(columns + 1), ...root, ...elements.flat()]);
}

/** Whole files that break off, and footers that are none: each with what is said. */
const footers: readonly (readonly [string, (file: Buffer) => Buffer, string])[] = [
  ["cut off", (file) => file.subarray(0, -1), "it does not end with PAR1"],
  ["of eight bytes", () => Buffer.from("PAR1PAR1"), "more than the file"],
  [
    "with a footer longer than the file",
    (file) => Buffer.concat([file.subarray(0, -8), Buffer.from([0xff, 0xff, 0xff, 0x7f]), file.subarray(-4)]),
    "more than the file",
  ],
  ["with a footer of zeros", (file) => file.fill(0, 4, file.length - 8), "is damaged"],
  [
    "with a schema that ends early",
    () => parquetOf([0x19, 0x2c, 0x48, 1, 114, 0x15, 0x04, 0, 0x15, 0x02, 0x25, 0, 0x18, 1, 97, 0]),
    "a group has too few elements",
  ],
  [
    "with a schema that goes on",
    () => parquetOf([0x19, 0x2c, 0x48, 1, 114, 0x15, 0x00, 0, 0x15, 0x02, 0x25, 0, 0x18, 1, 97, 0]),
    "more elements than its groups",
  ],
  [
    "with more rows in its footer than in itself",
    () => parquetOf([0x19, 0x2c, 0x48, 1, 114, 0x15, 0x02, 0, 0x15, 0x02, 0x25, 0, 0x18, 1, 97, 0], 5),
    "of 5 rows 0 were loaded",
  ],
  [
    "with a schema of a billion elements",
    () => parquetOf([0x19, 0xfc, ...varint(1e9)]),
    "at most 262144 are taken",
  ],
  ["with more columns than are taken", () => wide(100_000), "has 100000 columns; at most 4096 are taken"],
  [
    "with half a million structs in one element",
    () => parquetOf([0x19, 0x1c, ...Array(500_000).fill(0x1c)]),
    "is damaged",
  ],
];

/** Bytes of a file, mostly of its footer, are changed at random; PARQUET_MUTATIONS and PARQUET_SEED make it a campaign. */
const mutations = Number(process.env.PARQUET_MUTATIONS ?? 60);
const seed = Number(process.env.PARQUET_SEED ?? 1);

test(`${mutations} damaged files, seed ${seed}: each is read or refused, and the next one is taken`, async () => {
  const random = seeded(seed);
  const below = (bound: number) => Math.floor(random() * bound);
  const names = readdirSync(folder).filter((name) => name.endsWith(".parquet"));
  for (let round = 0; round < mutations; round++) {
    const name = names[below(names.length)] ?? "";
    const file = Buffer.from(await Bun.file(join(folder, name)).bytes());
    const length = file.readUInt32LE(file.length - 8);
    for (let changes = 1 + below(3); changes > 0; changes--) {
      const at =
        random() < 0.8
          ? file.length - 8 - length + below(Math.min(length, 400))
          : 4 + below(file.length - 12);
      file[at] = below(256);
    }
    const { status, error } = await stack.ingest(`damaged_${round}`, file as unknown as BodyInit);
    expect([name, round, status === 200 ? 422 : status, error.type]).toEqual([name, round, 422, error.type]);
  }
});

// A reader that believes them loops through thousands of millions of fields.
test("an Arrow schema whose lengths lie is given up", async () => {
  const file = Buffer.from(await Bun.file(join(folder, "duration-in-list.parquet")).bytes()).toString(
    "latin1",
  );
  const text = file.slice(file.indexOf("/////"));
  const bytes = Buffer.from(/^[A-Za-z0-9+/]+=*/.exec(text)?.[0] ?? "", "base64");
  expect(durationsOf(bytes)).toEqual(["a"]);
  for (const lie of [0x7fffffff, 0xffffffff, 0, 1000])
    for (let at = 0; at + 4 <= bytes.length; at++) {
      const wrong = Buffer.from(bytes);
      wrong.writeUInt32LE(lie, at);
      try {
        expect(durationsOf(wrong).length).toBeLessThan(1000);
      } catch (error) {
        expect(error).toBeInstanceOf(Error);
      }
    }
});

describe("a file", () => {
  for (const [what, make, message] of footers)
    test(what, async () => {
      const file = make(Buffer.from(await Bun.file(join(folder, "text.parquet")).bytes()));
      const { status, error } = await stack.ingest("footer", file as unknown as BodyInit);
      expect([status, error.message]).toEqual([422, expect.stringContaining(message)]);
    });
});
