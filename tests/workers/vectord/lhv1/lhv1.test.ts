/** The format itself: round trips, golden files, and every kind of damage. */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { readCheckpoint, writeCheckpoint } from "../../../../workers/vectord/lhv1/checkpoint.ts";
import { createFrameWriter, readFrame, sourceOf } from "../../../../workers/vectord/lhv1/frame.ts";
import { decodeManifest, encodeManifest, type Manifest } from "../../../../workers/vectord/lhv1/manifest.ts";
import { decodeSegment, encodeSegment } from "../../../../workers/vectord/lhv1/segment.ts";
import type { Batch, Upserts } from "../../../../workers/vectord/rows/batch.ts";
import { seeded } from "../../../support/campaigns/seeded.ts";
import { batchOf, configOf, rowsOf } from "../../../support/vectors/journals.ts";

type Bytes = Uint8Array<ArrayBuffer>;
const joined = (pieces: Iterable<Uint8Array>): Bytes => new Uint8Array(Buffer.concat([...pieces]));

const place = { id: "segment-7", incarnation: "one", sequence: 7, previous: 5, dimension: 3 };
const odd: Upserts = {
  ids: ["a", "Straße 😀", '"\\\n\u0000', "\ufeffx", "__proto__", "x".repeat(600)],
  vectors: new Float32Array([0, -0, 1e-45, 3.4e38, -1.5, 2, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
  metadata: [
    undefined,
    {},
    { a: { b: [1, null, "\ud800"] } },
    JSON.parse('{"__proto__":{"x":1},"constructor":2}'),
    { n: 0.1, big: 12345678901234567000 },
    undefined,
  ],
};
const batches: Batch[] = [
  { deletes: ["gone", "ä"], upserts: odd },
  batchOf([], ["only deletes"]),
  batchOf(["1", "2", "3"]),
  batchOf([]),
];
const manifest: Manifest = {
  name: "workers",
  write: "write-1",
  config: { ...configOf("workers"), embedding_model: "local" },
  incarnation: "one",
  checkpoint: {
    id: "c",
    key: "vectors/workers/one/checkpoints/c.lhv1",
    bytes: 1,
    rows: 2,
    chain: "0123456789abcdef",
    engine: { key: "vectors/workers/one/checkpoints/c.engine", bytes: 9, sha256: "ab" },
  },
  base: 7,
  snapshots: [
    {
      id: "s",
      created_at: "2026-01-02T03:04:05.678Z",
      count: 3,
      bytes: 4,
      config: configOf("workers"),
      incarnation: "zero",
      base: 0,
      last: 9,
    },
  ],
};
const facts = { id: "c", dimension: 3, rows: 9 };

const segmentBytes = () => joined(encodeSegment(place, batches));
async function checkpointBytes(
  pieces = [odd, rowsOf(["1", "2", "3"])],
): Promise<{ bytes: Bytes; chain: string }> {
  const written: Uint8Array[] = [];
  const rows = pieces.reduce((sum, { ids }) => sum + ids.length, 0);
  const { chain } = await writeCheckpoint({ ...facts, rows }, pieces, async (bytes) => {
    written.push(bytes);
  });
  return { bytes: joined(written), chain };
}
const readSegment = (bytes: Bytes) => decodeSegment(sourceOf("the/key", bytes));
async function readRows(bytes: Bytes, chain: string): Promise<Upserts[]> {
  const pieces: Upserts[] = [];
  for await (const { offset, ...piece } of readCheckpoint(sourceOf("the/key", bytes), { ...facts, chain })) {
    const there = new Float32Array(bytes.slice(offset, offset + piece.vectors.byteLength).buffer);
    expect([...there]).toEqual([...piece.vectors]);
    pieces.push(piece);
  }
  return pieces;
}
const readManifest = (bytes: Bytes) => decodeManifest("the/key", "workers", bytes);

/** The three kinds as bytes, and how each is read whole. */
const { bytes: rowsBytes, chain } = await checkpointBytes();
const kinds: { name: string; bytes: Bytes; read: (bytes: Bytes) => Promise<unknown>; content: unknown }[] = [
  {
    name: "segment",
    bytes: segmentBytes(),
    read: readSegment,
    content: { head: { ...place, batches: 4 }, batches },
  },
  {
    name: "checkpoint",
    bytes: rowsBytes,
    read: (bytes) => readRows(bytes, chain),
    content: [odd, rowsOf(["1", "2", "3"])],
  },
  { name: "manifest", bytes: encodeManifest(manifest), read: readManifest, content: manifest },
];

/** The same with other content of the same length. */
const swapped: Upserts = { ...odd, vectors: odd.vectors.toReversed(), ids: ["b", ...odd.ids.slice(1)] };
const otherBytes: Record<string, Bytes> = {
  segment: joined(encodeSegment(place, [{ deletes: ["gone", "ö"], upserts: swapped }, ...batches.slice(1)])),
  checkpoint: (await checkpointBytes([swapped, rowsOf(["1", "2", "3"])])).bytes,
  manifest: encodeManifest({ ...manifest, write: "write-2" }),
};

/** Begins of the sections, by the lengths they state. */
function boundaries(bytes: Bytes): number[] {
  const view = new DataView(bytes.buffer);
  const found = [0];
  for (let at = 16; at < bytes.length; ) {
    const length = Number(view.getBigUint64(at + 8, true));
    found.push(at, at + 16, at + 16 + length);
    at += 16 + length + (-length & 7) + 8;
  }
  return found;
}

/** Resolves when the read throws `corrupt` naming the object, and nothing else. */
async function refused(read: Promise<unknown>, why?: string): Promise<void> {
  const outcome = await read.then(
    (value) => ({ value }),
    (error) => error,
  );
  expect(outcome).toMatchObject({ name: "ServiceError", type: "corrupt" });
  expect(outcome.message).toContain("the/key");
  if (why) expect(outcome.message).toContain(why);
}

describe.each(kinds)("$name", ({ name, bytes, read, content }) => {
  test("reads back the same", async () => {
    expect(await read(bytes)).toEqual(content);
    const shifted = new Uint8Array(bytes.length + 1);
    shifted.set(bytes, 1);
    expect(await read(shifted.subarray(1))).toEqual(content);
  });

  test("the golden file has these very bytes", async () => {
    const golden = readFileSync(join(import.meta.dir, `../../../fixtures/vectord/${name}-format-1.lhv1`));
    expect(await read(new Uint8Array(golden))).toEqual(content);
    expect(golden.equals(bytes)).toBe(true);
  });

  test("cut anywhere, at every section and in every byte, it is refused", async () => {
    expect(boundaries(bytes).length).toBeGreaterThan(6);
    for (let at = 0; at < bytes.length; at++) await refused(read(bytes.slice(0, at)));
    await refused(read(joined([bytes, new Uint8Array(1)])), "1 bytes follow");
  });

  test("with any bit flipped it is refused", async () => {
    const copy = bytes.slice();
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const at = bit >>> 3;
      copy[at] = (copy[at] ?? 0) ^ (1 << (bit & 7));
      await refused(read(copy));
      copy[at] = bytes[at] ?? 0;
    }
  });

  test("with any byte replaced it is refused", async () => {
    const random = seeded(1);
    const copy = bytes.slice();
    for (let at = 0; at < bytes.length; at++) {
      copy[at] = (bytes[at] ?? 0) + 1 + Math.floor(random() * 255);
      await refused(read(copy));
      copy[at] = bytes[at] ?? 0;
    }
  });

  test("sections left out, doubled or exchanged are noticed", async () => {
    const starts = [...boundaries(bytes).filter((_, at) => at % 3 === 1), bytes.length];
    const sections = starts.slice(0, -1).map((start, at) => bytes.subarray(start, starts[at + 1]));
    const head = bytes.subarray(0, 16);
    for (let at = 0; at < sections.length; at++) {
      await refused(read(joined([head, ...sections.toSpliced(at, 1)])));
      await refused(read(joined([head, ...sections.toSpliced(at, 0, sections[at] ?? head)])));
      const next = sections[at + 1];
      if (next) await refused(read(joined([head, ...sections.toSpliced(at, 2, next, sections[at] ?? head)])));
    }
  });

  test("a section of another object, whole in itself, is noticed", async () => {
    const other = otherBytes[name] ?? bytes;
    expect(other.length).toBe(bytes.length);
    const starts = [...boundaries(bytes).filter((_, at) => at % 3 === 1), bytes.length];
    const differs = (_: number, at: number) =>
      !Buffer.from(bytes.subarray(starts[at], starts[at + 1])).equals(
        other.subarray(starts[at], starts[at + 1]),
      );
    const found = starts.findIndex(differs);
    const [at, to] = [starts[found], starts[found + 1]];
    expect(to).toBeLessThan(bytes.length);
    await refused(read(joined([bytes.subarray(0, at), other.subarray(at, to), bytes.subarray(to)])));
  });

  test("another kind is refused", async () => {
    for (const other of kinds) {
      if (other.name !== name) await refused(read(other.bytes), `expected a ${name}`);
    }
    await refused(read(new Uint8Array()), "0 bytes");
    await refused(read(new Uint8Array(100)), "LHV1");
  });
});

/** An object whose checksums are right and whose content is not. */
function forged(
  kind: "segment" | "manifest" | "checkpoint",
  sections: [string, Uint8Array | string][],
): Bytes {
  const frame = createFrameWriter(kind);
  const pieces = sections.map(([letters, content]) => {
    const bytes = typeof content === "string" ? Buffer.from(content) : content;
    return frame.section(letters, bytes.length, (payload) => payload.set(bytes));
  });
  return joined([frame.header, ...pieces, frame.end().bytes]);
}
const words = (...values: number[]) => new Uint8Array(new Uint32Array(values).buffer);
const head = JSON.stringify({ ...place, batches: 1 });
const table = (...texts: string[]) => {
  let end = 0;
  const offsets = texts.map((text) => {
    end += text.length;
    return end;
  });
  return joined([words(texts.length, 0, ...offsets), Buffer.from(texts.join(""))]);
};
const wrongs: { name: string; bytes: Bytes; why: string }[] = [
  { name: "no section", bytes: forged("segment", []), why: "expected section HEAD" },
  { name: "a head that is not JSON", bytes: forged("segment", [["HEAD", "{"]]), why: "its head" },
  { name: "a head of another shape", bytes: forged("segment", [["HEAD", '{"id":1}']]), why: "its head" },
  { name: "a batch too few", bytes: forged("segment", [["HEAD", head]]), why: "expected section BTCH" },
  {
    name: "a section too many",
    bytes: forged("segment", [
      ["HEAD", head],
      ["BTCH", words(0, 0)],
      ["BTCH", words(0, 0)],
    ]),
    why: "more than its 1 batches",
  },
  {
    name: "a short batch head",
    bytes: forged("segment", [
      ["HEAD", head],
      ["BTCH", words(0)],
    ]),
    why: "head of a batch",
  },
  {
    name: "counts beyond the object",
    bytes: forged("segment", [
      ["HEAD", head],
      ["BTCH", words(0, 0xffff_ffff)],
    ]),
    why: "does not fit",
  },
  {
    name: "an empty table of deletes",
    bytes: forged("segment", [
      ["HEAD", head],
      ["BTCH", words(1, 0)],
      ["DELS", table()],
    ]),
    why: "empty",
  },
  {
    name: "more deletes than stated",
    bytes: forged("segment", [
      ["HEAD", head],
      ["BTCH", words(1, 0)],
      ["DELS", table("a", "b")],
    ]),
    why: "more deletes",
  },
  ...[
    ["a table without words", words()],
    ["a count beyond the table", words(5, 0)],
    ["an end before its start", joined([words(2, 0, 3, 1), Buffer.from("abc")])],
    ["an end beyond the table", words(1, 0, 9)],
    ["bytes after the texts", joined([words(1, 0, 1), Buffer.from("ab")])],
    ["a first offset", joined([words(1, 1, 2), Buffer.from("ab")])],
    ["no UTF-8", joined([words(1, 0, 1), new Uint8Array([0xff])])],
  ].map(([name, bytes]) => ({
    name: String(name),
    bytes: forged("segment", [
      ["HEAD", head],
      ["BTCH", words(1, 0)],
      ["DELS", bytes as Uint8Array],
    ]),
    why: "a table of texts",
  })),
  {
    name: "vectors of another dimension",
    bytes: forged("segment", [
      ["HEAD", head],
      ["BTCH", words(0, 1)],
      ["IDS ", table("a")],
      ["VECS", words(1, 2)],
    ]),
    why: "8 bytes of vectors",
  },
  ...[
    ["metadata of fewer items", table("{}"), "metadata of 1 items"],
    ["metadata that is not JSON", table("{}", "{"), "not JSON"],
    ["metadata that is no object", table("{}", "1"), "not a JSON object"],
  ].map(([name, meta, why]) => ({
    name: String(name),
    bytes: forged("segment", [
      ["HEAD", head],
      ["BTCH", words(0, 2)],
      ["IDS ", table("a", "b")],
      ["VECS", new Uint8Array(24)],
      ["META", meta as Uint8Array],
    ]),
    why: String(why),
  })),
  {
    name: "a piece of another size",
    bytes: forged("segment", [
      ["HEAD", head],
      ["BTCH", words(0, 1)],
      ["IDS ", table("a", "b")],
      ["VECS", new Uint8Array(24)],
      ["META", table()],
    ]),
    why: "more than its batch",
  },
];
test.each(wrongs)("right checksums, wrong content: $name", ({ bytes, why }) =>
  refused(readSegment(bytes), why),
);

describe("what a manifest names", () => {
  test("is the index's own", async () => {
    const bytes = encodeManifest(manifest);
    await refused(decodeManifest("the/key", "others", bytes), "manifest of 'workers'");
    const checkpoint = { ...manifest.checkpoint, key: "vectors/others/c" } as Manifest["checkpoint"];
    await refused(
      readManifest(encodeManifest({ ...manifest, ...(checkpoint && { checkpoint }) })),
      "vectors/others/c",
    );
  });
  test("is this very checkpoint", async () => {
    const other = await checkpointBytes([rowsOf(["1", "2", "3"]), odd]);
    await refused(readRows(other.bytes, chain), "not the checkpoint");
    const fewer = await checkpointBytes([odd]);
    await refused(readRows(fewer.bytes, fewer.chain), "another checkpoint");
  });
});

test("a newer version is refused and says so", async () => {
  const frame = createFrameWriter("segment");
  const newer = frame.header.slice();
  const view = new DataView(newer.buffer);
  view.setUint16(4, 2, true);
  await refused(readFrame(sourceOf("the/key", newer), "segment"), "checksum of its header");
  view.setBigUint64(8, Bun.hash.xxHash64(newer.subarray(0, 8)), true);
  await refused(readFrame(sourceOf("the/key", newer), "segment"), "written by a newer version");
});

test("rows beyond a piece are cut into several, and read back the same", async () => {
  const dimension = 700;
  const ids = Array.from({ length: 5000 }, (_, at) => `id ${at}`);
  const upserts = rowsOf(ids, dimension);
  const pieces = [...encodeSegment({ ...place, dimension }, [{ deletes: ids, upserts }])];
  expect(pieces.filter(({ length }) => length > 3_000_000).length).toBeGreaterThan(2);
  const { batches } = await readSegment(joined(pieces));
  expect(batches).toHaveLength(1);
  expect(batches[0]?.upserts.ids).toEqual(ids);
  expect(batches[0]?.deletes).toEqual(ids);
  expect(batches[0]?.upserts.metadata).toEqual([...upserts.metadata]);
  expect(
    Buffer.from(batches[0]?.upserts.vectors.buffer ?? new ArrayBuffer(0)).equals(
      Buffer.from(upserts.vectors.buffer),
    ),
  ).toBe(true);
});
