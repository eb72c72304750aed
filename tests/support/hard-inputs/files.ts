/** Files that crash, stall or bloat who reads them trustingly, put together by code; each is well below the largest upload. */
import { gzipSync, zstdCompressSync } from "node:zlib";
import { parquetWriteBuffer } from "hyparquet-writer";
import { nestedGroups, parquetOf, repeatedText, varint } from "./parquet-bytes.ts";

type Body = string | Buffer;

const keys = (count: number): string =>
  `{${Array.from({ length: count }, (_, at) => `"k${at}":${at}`).join(",")}}\n`;
const bytes = (count: number, text: string): Buffer => Buffer.alloc(count, text);

const doubled = (levels: number): string =>
  levels === 0 ? "1" : `{"a":${doubled(levels - 1)},"b":${doubled(levels - 1)}}`;

const lines: Record<string, () => Body> = {
  "a line of 1,200,000 keys": () => keys(1_200_000),
  "a key for each of 300,000 lines": () =>
    Array.from({ length: 300_000 }, (_, at) => `{"k${at}":1}`).join("\n"),
  "100,000 lists, one in the other": () => `{"a":${"[".repeat(100_000)}1${"]".repeat(100_000)}}\n`,
  "100,000 objects, one in the other": () => `${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}\n`,
  "a million objects that are not closed": () => '{"a":'.repeat(1_000_000),
  "a number of 5 MB": () => `{"a":${"9".repeat(5_000_000)}}\n`,
  "an exponent of 5 MB": () => `{"a":1e${"9".repeat(5_000_000)}}\n`,
  "a text of 40 MB": () => `{"a":"${"x".repeat(40_000_000)}"}\n`,
  "half a million times one key": () => `{${Array(500_000).fill('"a":1').join(",")}}\n`,
  "names of an object's own": () => '{"__proto__":{"a":1},"constructor":1,"toString":2}\n',
  "an object that doubles 12 times": () => `${doubled(12)}\n`,
  "an object that doubles 14 times": () => `${doubled(14)}\n`,
  "half a million objects in a list": () => `{"a":[${Array(500_000).fill('{"b":[1]}').join(",")}]}\n`,
  "a text of 15 MB of escapes": () => `{"a":"${"\\u0041".repeat(2_500_000)}"}\n`,
  "30 MB of line feeds": () => `{"a":1}\n${"\n".repeat(30_000_000)}`,
  "lines of 90 lists": () => `{"a":${"[".repeat(90)}1${"]".repeat(90)}}\n`.repeat(2000),
  "lines of other keys each": () =>
    Array.from({ length: 30_000 }, (_, at) => `{"a":{"k${at}":{"l${at}":[${at}]}}}`).join("\n"),
  "a list of 4,000,000 lists": () => `{"a":[${Array(4_000_000).fill("[]").join(",")}]}\n`,
  "zstd of 600 MB of lines": () => zstdCompressSync(bytes(600_000_000, '{"a":1}\n')),
};

const tables: Record<string, () => Body> = {
  "a field of 60 MB in quotes": () => `a,b\n"${"x".repeat(60_000_000)}",1\n`,
  "a quote that is not closed": () => `a,b\n"${"x,\n".repeat(10_000_000)}`,
  "a million columns": () => `${Array.from({ length: 1_000_000 }, (_, at) => `c${at}`).join(",")}\n1\n`,
  "30 MB of commas": () => `a\n${",".repeat(30_000_000)}`,
  "15 MB of quotes": () => `a\n${'"'.repeat(15_000_000)}\n`,
  "4,000 columns of one name": () =>
    `${Array(4000).fill("a").join(",")}\n${Array(4000).fill("1").join(",")}\n`,
  "ragged rows": () => `a,b\n${"1\n1,2,3\n".repeat(1_000_000)}`,
  "15 MB of carriage returns": () => `a\n${"\r".repeat(15_000_000)}`,
  "30 MB of line feeds below a name": () => `a\n${"\n".repeat(30_000_000)}`,
  "4,000 columns of 500 rows": () =>
    `${Array.from({ length: 4000 }, (_, at) => `c${at}`).join(",")}\n${`${Array(4000).fill("1.5").join(",")}\n`.repeat(500)}`,
  "16,000 columns of 50 rows": () =>
    `${Array.from({ length: 16_000 }, (_, at) => `c${at}`).join(",")}\n${`${Array(16_000).fill("x").join(",")}\n`.repeat(50)}`,
  "quotes and delimiters by turns": () => `a,b\n${'"\n,"'.repeat(3_000_000)}`,
  "quotes within quotes": () => `a,b\n${'"""",""""\n'.repeat(1_500_000)}`,
  "every kind of delimiter": () => `${"a,b;c|d\te\n".repeat(1_000_000)}`,
  "rows that grow": () =>
    Array.from({ length: 3000 }, (_, at) =>
      Array(at + 1)
        .fill("x")
        .join(","),
    ).join("\n"),
  "10 MB of NUL": () => Buffer.concat([Buffer.from("a,b\n"), Buffer.alloc(10_000_000)]),
  "10 MB of digits": () => `a\n${"9".repeat(10_000_000)}\n`,
  "a name of 10 MB": () => `${"x".repeat(10_000_000)},b\n1,2\n`,
  "gzip of one line of 600 MB": () => gzipSync(bytes(600_000_000, "x"), { level: 1 }),
  "zstd of one line of 600 MB": () => zstdCompressSync(bytes(600_000_000, "x")),
  "gzip in gzip in gzip": () => gzipSync(gzipSync(gzipSync("a,b\n1,2\n"))),
  "gzip cut off": () => gzipSync(bytes(400_000, "1,2\n")).subarray(0, 300),
  "a zstd window of 2 GB": () => Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, 0xa8, 1, 0, 0, 0x41]),
  "a skippable frame of 4 GB": () =>
    Buffer.concat([Buffer.from([0x50, 0x2a, 0x4d, 0x18, 255, 255, 255, 255]), Buffer.alloc(1000)]),
  "100,000 frames": () => Buffer.concat(Array(100_000).fill(zstdCompressSync("a,b\n"))),
};

const leaf = [0x15, 0x02, 0x25, 0x00, 0x18, 1, 97, 0];
const footer = (content: Buffer, length = content.length): Buffer => {
  const tail = Buffer.alloc(8);
  tail.writeUInt32LE(length);
  tail.write("PAR1", 4);
  return Buffer.concat([Buffer.from("PAR1"), content, tail]);
};
/** A file with nothing wrong, for what is changed at one byte. */
const sound = (): Buffer => {
  const data = Array.from({ length: 1000 }, (_, at) => `text ${at % 5}`);
  return Buffer.from(parquetWriteBuffer({ columnData: [{ name: "t", data, type: "STRING" }] }));
};
const changed = (place: (size: number) => number): Buffer => {
  const file = sound();
  file[place(file.length)] = 255;
  return file;
};

const parquets: Record<string, () => Body> = {
  "20,000 groups, one in the other": () => nestedGroups(20_000, "group"),
  "30 lists, one in the other": () => nestedGroups(30, "list"),
  "two billion values in a schema": () =>
    parquetOf([0x19, 0xfc, ...varint(0x7fffffff), 0x48, 1, 114, 0x15, 2, 0]),
  "two billion children": () =>
    parquetOf([0x19, 0x2c, 0x48, 1, 114, 0x15, ...varint(0x7ffffffe), 0, ...leaf]),
  "a name of a gigabyte": () =>
    parquetOf([0x19, 0x2c, 0x48, ...varint(0x3fffffff), 114, 0x15, 2, 0, ...leaf]),
  "a footer of 4 GB": () => footer(Buffer.from([0x15, 2]), 0xffffffff),
  "a footer of nothing": () => footer(Buffer.alloc(0)),
  "200,000 structs of thrift": () => footer(Buffer.alloc(200_000, 0x1c)),
  "200,000 lists of thrift": () => footer(Buffer.alloc(200_000, 0x19)),
  "another first byte of a page": () => changed(() => 4),
  "another size of a page": () => changed(() => 7),
  "another byte of a dictionary": () => changed((size) => Math.floor(size / 4)),
  "another byte of the footer": () => changed((size) => size - 60),
  "a list of 500,000,000 texts in 200 bytes": () =>
    repeatedText({ isList: true, count: 500_000_000, value: "x" }),
  "a list of 30,000 texts of a megabyte": () =>
    repeatedText({ isList: true, count: 30_000, value: "x".repeat(1_000_000) }),
  "a billion rows in 200 bytes": () => repeatedText({ isList: false, count: 1_000_000_000, value: "x" }),
  "a million rows of a megabyte each": () =>
    repeatedText({ isList: false, count: 1_000_000, value: "x".repeat(1_000_000) }),
  "a million rows of 20 MB each": () =>
    repeatedText({ isList: false, count: 1_000_000, value: "x".repeat(20_000_000) }),
  "a page of 2 GB in 10 bytes": () =>
    repeatedText({ isList: false, count: 1000, value: "x", saidBytes: 0x7fffffff }),
  "3,000 lists and structs": () => nestedGroups(3000, "list"),
  "17 lists, one in the other": () => nestedGroups(17, "list"),
  "24 lists, one in the other": () => nestedGroups(24, "list"),
  "3,000 groups, one in the other": () => nestedGroups(3000, "group"),
  "the magic alone": () => "PAR1PAR1",
};

/** Content type and maker of each, by what it is. */
export const hardFiles: ReadonlyMap<string, { type: string; make: () => Body }> = new Map(
  Object.entries({
    "application/x-ndjson": lines,
    "text/csv": tables,
    "application/vnd.apache.parquet": parquets,
  }).flatMap(([type, files]) => Object.entries(files).map(([name, make]) => [name, { type, make }] as const)),
);
