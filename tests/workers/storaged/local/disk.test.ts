/** What only a bucket on disk can suffer: crashes between two renames, flipped bits, restored backups, clashing names. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  cpSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { systemClock } from "../../../../runtime/scheduling/clock.ts";
import { createKeyedMutex } from "../../../../runtime/scheduling/scheduling.ts";
import type { Bucket } from "../../../../workers/storaged/bucket/bucket.ts";
import { createCorruptions } from "../../../../workers/storaged/bucket/corruptions.ts";
import { collect } from "../../../../workers/storaged/bucket/streams.ts";
import { isThere, layoutOf, linkAbove } from "../../../../workers/storaged/local/layout.ts";
import { openLocalBucket } from "../../../../workers/storaged/local/local.ts";
import { createLocalReader } from "../../../../workers/storaged/local/reader.ts";
import { encodeRecord } from "../../../../workers/storaged/local/sidecar.ts";
import { createLocalWriter } from "../../../../workers/storaged/local/writer.ts";
import { fetchText, inPieces, noise, refusal, store } from "../../../conformance/bucket.ts";
import { temporaryDirectory } from "../../../support/stacks/in-process.ts";

const { signal } = new AbortController();
const MiB = 1024 * 1024;

describe("a disk that fails", () => {
  test("may not open what is not there, and no condition takes that for an object", async () => {
    const { path, remove } = temporaryDirectory("disk");
    await openLocalBucket({ name: "disk", root: path, newId: () => crypto.randomUUID(), clock: systemClock });
    const [layout, lock, corruptions] = [layoutOf(path), createKeyedMutex(), createCorruptions("disk")];
    const reader = createLocalReader({ layout, lock, corruptions });
    const failing = {
      ...reader,
      settle: async (key: string) =>
        Promise.reject(corruptions.found(key, "the disk does not give its bytes back")),
    };
    const put = async (own: typeof reader) => {
      const parts = { layout, lock, corruptions, newId: () => crypto.randomUUID(), reader: own };
      const upload = await createLocalWriter(parts).receive("a", inPieces(Buffer.from("1"), 1), {
        bytesMax: 10,
        signal,
      });
      return upload.commit({ ifNoneMatch: "*" });
    };
    expect((await put(failing)).created).toBe(true);
    expect((await reader.peek("a"))?.bytes).toBe(1);
    await expect(put(failing)).rejects.toMatchObject({ type: "precondition_failed" });
    remove();
  });

  test("is not asked for a file without its saying so", async () => {
    expect(await isThere(join(tmpdir(), "none", crypto.randomUUID()))).toBe(false);
    // Any failure but that there is none.
    await expect(isThere("\0")).rejects.toThrow();
    await expect(linkAbove("/", "\0/a")).rejects.toThrow();
  });
});

describe("bucket on local disk", () => {
  let directory: ReturnType<typeof temporaryDirectory>;
  let bucket: Bucket;
  const open = (root = directory.path) =>
    openLocalBucket({ name: "disk", root, newId: () => crypto.randomUUID(), clock: systemClock });
  const layout = () => layoutOf(directory.path);
  beforeEach(async () => {
    directory = temporaryDirectory("disk");
    bucket = await open();
  });
  afterEach(() => directory.remove());

  const corrupt = async (key: string, reason: string) => {
    for (const work of [
      async () => collect((await bucket.open(key, undefined, signal)).body),
      () => bucket.open(key, { first: 0, last: 1 }, signal),
      () => bucket.locate(key, signal),
    ]) {
      const error = await refusal(work());
      expect(error.type).toBe("corrupt");
      expect(error.message).toContain(`'${key}' in bucket 'disk' is corrupt`);
      expect(error.message).toContain(reason);
      expect(error.message).not.toContain(directory.path);
    }
    expect(bucket.notReady().join()).toMatch(new RegExp(`object '${key}' is corrupt: .*${reason}`));
  };

  test("links in the bucket's folder are not followed, by no door", async () => {
    const outside = temporaryDirectory("outside");
    writeFileSync(join(outside.path, "secret"), "not the bucket's");
    symlinkSync(outside.path, join(directory.path, "link"));
    mkdirSync(join(directory.path, "real"));
    symlinkSync(outside.path, join(directory.path, "real/below"));
    symlinkSync(join(outside.path, "secret"), join(directory.path, "file"));
    for (const key of ["link/new", "link/deep/new", "real/below/new", "link/secret"]) {
      const refused = await refusal(store(bucket, key, "bytes"));
      expect([refused.type, refused.message]).toEqual(["conflict", expect.stringContaining("is a link")]);
      for (const work of [
        () => bucket.head(key, signal),
        () => bucket.locate(key, signal),
        () => bucket.open(key, undefined, signal),
      ])
        expect((await refusal(work())).type).toBe("not_found");
      expect(await bucket.remove(key, {}, signal)).toBe(false);
    }
    expect((await refusal(bucket.head("file", signal))).type).toBe("not_found");
    for (const prefix of ["", "link/", "real/below/"]) {
      const { objects } = await bucket.list({ prefix, pageSize: 10, signal });
      expect(objects).toEqual([]);
    }
    expect(await readdir(outside.path)).toEqual(["secret"]);
    outside.remove();
    // The root itself may be one: the configuration names it.
    const linked = `${directory.path}-link`;
    symlinkSync(directory.path, linked);
    const there = await open(linked);
    await store(there, "a/b", "bytes");
    expect(await fetchText(there, "a/b")).toBe("bytes");
    rmSync(linked);
  });

  test("objects are plain files that others can read", async () => {
    await store(bucket, "datasets/a.parquet", "bytes");
    expect(readFileSync(join(directory.path, "datasets/a.parquet"), "utf8")).toBe("bytes");
    const location = await bucket.locate("datasets/a.parquet", signal);
    expect(location).toMatchObject({ kind: "local", path: join(directory.path, "datasets/a.parquet") });
  });

  describe("a crash", () => {
    test("before the sidecar leaves the old object, and no leftover after the start", async () => {
      await store(bucket, "k", "old");
      await bucket.receive("k", inPieces(noise(1000)), { bytesMax: 1e6, signal });
      expect(await readdir(layout().staging)).toHaveLength(1);
      bucket = await open();
      expect(await readdir(layout().staging)).toEqual([]);
      expect(await fetchText(bucket, "k")).toBe("old");
    });

    const unwritten = { sha256: "00", bytes: 3, mtime_ns: "1", ino: "1" };
    /** What is beside the sidecar of an object with the same name. */
    const beside = () => readdir(dirname(layout().record("k")));

    test.each([
      ["", false],
      [" as earlier versions wrote it", true],
    ])(
      "between the sidecar and the rename%s leaves the old object, which can be replaced again",
      async (_, isFormer) => {
        await store(bucket, "k", "old", { contentType: "text/old" });
        const { record } = JSON.parse(readFileSync(layout().record("k"), "utf8"));
        if (isFormer) {
          const both = { key: "k", current: unwritten, previous: record.current };
          writeFileSync(layout().record("k"), encodeRecord(both));
        } else writeFileSync(layout().next("k"), encodeRecord({ key: "k", current: unwritten }));
        expect(await fetchText(bucket, "k")).toBe("old");
        bucket = await open();
        expect(await fetchText(bucket, "k")).toBe("old");
        expect((await bucket.head("k", signal)).content_type).toBe("text/old");
        expect(bucket.notReady()).toEqual([]);
        await store(bucket, "k", "new");
        expect(await fetchText(bucket, "k")).toBe("new");
      },
    );

    test("between the sidecar of a new object and its rename leaves none", async () => {
      await store(bucket, "other", "x");
      mkdirSync(dirname(layout().next("k")), { recursive: true });
      writeFileSync(layout().next("k"), encodeRecord({ key: "k", current: unwritten }));
      expect((await refusal(bucket.head("k", signal))).type).toBe("not_found");
      bucket = await open();
      await bucket.findMissing?.(signal);
      expect((await refusal(bucket.head("k", signal))).type).toBe("not_found");
      expect([bucket.notReady(), await beside()]).toEqual([[], []]);
      expect((await store(bucket, "k", "new", { ifNoneMatch: "*" })).created).toBe(true);
    });

    test.each(["an object", "no object"])(
      "after the rename over %s leaves the new object",
      async (before) => {
        if (before === "an object") await store(bucket, "k", "old");
        const old = before === "an object" ? readFileSync(layout().record("k")) : undefined;
        const { info } = await store(bucket, "k", "new");
        renameSync(layout().record("k"), layout().next("k"));
        if (old) writeFileSync(layout().record("k"), old);
        expect(await bucket.head("k", signal)).toEqual(info);
        bucket = await open();
        expect(await bucket.head("k", signal)).toEqual(info);
        await bucket.findMissing?.(signal);
        expect(await fetchText(bucket, "k")).toBe("new");
        expect([bucket.notReady(), await beside()]).toEqual([[], [basename(layout().record("k"))]]);
        // The next write cut off at the same place: what it replaces is known.
        renameSync(layout().record("k"), layout().next("k"));
        if (old) writeFileSync(layout().record("k"), old);
        await store(bucket, "k", "newer");
        expect(await fetchText(bucket, "k")).toBe("newer");
        expect(await beside()).toEqual([basename(layout().record("k"))]);
      },
    );

    test.each([
      ["first", true],
      ["second", false],
    ])("after the %s step of a delete leaves no object", async (_, isThere) => {
      await store(bucket, "k", "old");
      renameSync(layout().record("k"), layout().deleted("k"));
      if (!isThere) rmSync(layout().data("k"));
      const gone = async () => {
        expect((await refusal(bucket.head("k", signal))).type).toBe("not_found");
        const { objects, corrupt } = await bucket.list({ prefix: "", pageSize: 10, signal });
        expect([objects, corrupt, bucket.notReady()]).toEqual([[], [], []]);
      };
      await gone();
      bucket = await open();
      await bucket.findMissing?.(signal);
      expect([await beside(), existsSync(layout().data("k"))]).toEqual([[], false]);
      await gone();
      expect((await store(bucket, "k", "new", { ifNoneMatch: "*" })).created).toBe(true);
      expect(await fetchText(bucket, "k")).toBe("new");
      bucket = await open();
      await bucket.findMissing?.(signal);
      expect(await fetchText(bucket, "k")).toBe("new");
    });

    test("sidecars that deletes of earlier versions have left are put aside, once", async () => {
      await store(bucket, "k", "old");
      rmSync(layout().data("k"));
      writeFileSync(layout().format, '{"format":1}\n');
      bucket = await open();
      await bucket.findMissing?.(signal);
      expect((await refusal(bucket.head("k", signal))).type).toBe("not_found");
      expect(bucket.notReady()).toEqual([]);
      expect(await beside()).toEqual([basename(layout().record("k")).replace("json", "former")]);
      await store(bucket, "k", "new");
      rmSync(layout().data("k"));
      bucket = await open();
      await bucket.findMissing?.(signal);
      expect(bucket.notReady().join()).toContain("object 'k' is corrupt: its bytes are gone");
    });

    test("that leaves empty folders hinders nothing", async () => {
      mkdirSync(join(directory.path, "a/b/c"), { recursive: true });
      expect((await bucket.list({ prefix: "", delimiter: "/", pageSize: 10, signal })).prefixes).toEqual([]);
      await store(bucket, "a", "object where empty folders were");
      expect(await fetchText(bucket, "a")).toBe("object where empty folders were");
    });
  });

  describe("damage", () => {
    const flip = (path: string, at: number) => {
      const bytes = readFileSync(path);
      bytes[at] = (bytes[at] ?? 0) ^ 1;
      writeFileSync(path, bytes);
    };
    const mismatch = "do not match the checksum";

    test.each([
      ["the first", 0],
      ["a middle", 700_000],
      ["the last", 2 * MiB - 1],
    ])("%s bit flipped is never served as if whole", async (_, at) => {
      await store(bucket, "k", noise(2 * MiB));
      await store(bucket, "whole", "whole");
      flip(layout().data("k"), at);
      await corrupt("k", mismatch);
      expect(await fetchText(bucket, "whole")).toBe("whole");
      const page = await bucket.list({ prefix: "", pageSize: 10, signal });
      expect(page.corrupt).toEqual(["k"]);
      expect(page.objects.map(({ key }) => key)).toEqual(["whole"]);
    });

    test("a bit that flips under the same time, inode and size is found by the stream", async () => {
      await store(bucket, "k", noise(2 * MiB));
      const { mtime, atime } = await stat(layout().data("k"));
      flip(layout().data("k"), 5);
      utimesSync(layout().data("k"), atime, mtime);
      const { mtimeNs, ino, size } = await stat(layout().data("k"), { bigint: true });
      const { record } = JSON.parse(readFileSync(layout().record("k"), "utf8"));
      const current = { ...record.current, mtime_ns: String(mtimeNs), ino: String(ino), bytes: Number(size) };
      writeFileSync(layout().record("k"), encodeRecord({ key: "k", current }));
      const { body } = await bucket.open("k", undefined, signal);
      const reader = body.getReader();
      let bytes = 0;
      const all = (async () => {
        for (let next = await reader.read(); !next.done; next = await reader.read())
          bytes += next.value.length;
      })();
      expect((await refusal(all)).type).toBe("corrupt");
      expect(bytes).toBeLessThan(2 * MiB);
      await corrupt("k", mismatch);
    });

    test("a file cut short is corrupt", async () => {
      await store(bucket, "k", noise(2 * MiB));
      truncateSync(layout().data("k"), 1000);
      await corrupt("k", mismatch);
    });

    test("a damaged sidecar is named", async () => {
      await store(bucket, "k", "content");
      flip(layout().record("k"), 60);
      await corrupt("k", "checksum record is damaged");
    });

    test("a sidecar of a newer format is named", async () => {
      await store(bucket, "k", "content");
      writeFileSync(layout().record("k"), JSON.stringify({ format: 2, checksum: "", record: {} }));
      await corrupt("k", "format 2, written by a newer version");
    });

    test("a file that was put there by hand is not served", async () => {
      writeFileSync(join(directory.path, "by-hand"), "unknown");
      await corrupt("by-hand", "not written by this store");
    });

    test("a corrupt object can be replaced and deleted, and counts as there", async () => {
      for (const key of ["replaced", "deleted"]) {
        await store(bucket, key, noise(100));
        flip(layout().data(key), 1);
        await corrupt(key, mismatch);
      }
      expect((await refusal(store(bucket, "replaced", "x", { ifNoneMatch: "*" }))).type).toBe(
        "precondition_failed",
      );
      expect((await store(bucket, "replaced", "new")).created).toBe(false);
      expect(await bucket.remove("deleted", {}, signal)).toBe(true);
      expect(bucket.notReady()).toEqual([]);
      expect(await fetchText(bucket, "replaced")).toBe("new");
    });
  });

  test("a restored backup is verified by its bytes, and remembered", async () => {
    const { info } = await store(bucket, "a/b", noise(MiB), { contentType: "text/x" });
    const restored = temporaryDirectory("restored");
    cpSync(directory.path, restored.path, { recursive: true });
    directory.remove();
    renameSync(restored.path, directory.path);
    bucket = await open();
    const { last_modified: _, ...same } = info;
    expect(await bucket.head("a/b", signal)).toMatchObject(same);
    expect((await bucket.list({ prefix: "", pageSize: 5, signal })).objects).toHaveLength(1);
    const { ino } = await stat(layout().data("a/b"), { bigint: true });
    expect(JSON.parse(readFileSync(layout().record("a/b"), "utf8")).record.current.ino).toBe(String(ino));
    expect(bucket.notReady()).toEqual([]);
  });

  test("a bucket of a newer format is refused", async () => {
    writeFileSync(layout().format, '{"format":2}\n');
    expect(open()).rejects.toThrow("written by a newer version; this version reads 1");
  });

  describe("names that a disk cannot hold together", () => {
    test("an object and objects below it", async () => {
      await store(bucket, "a", "1");
      const below = await refusal(store(bucket, "a/b/c", "2"));
      expect(below.type).toBe("conflict");
      expect(below.message).toContain("'a/b/c' and 'a'");
      await store(bucket, "d/e", "1");
      const above = await refusal(store(bucket, "d", "2"));
      expect(above.type).toBe("conflict");
      expect(above.message).toContain("'d/…'");
      expect(await fetchText(bucket, "a")).toBe("1");
      expect(await fetchText(bucket, "d/e")).toBe("1");
      expect(await readdir(layout().staging)).toEqual([]);
      await bucket.remove("d/e", {}, signal);
      await store(bucket, "d", "2");
      expect(await fetchText(bucket, "d")).toBe("2");
    });

    test("a segment longer than a file name", async () => {
      const error = await refusal(store(bucket, `a/${"ü".repeat(128)}`, "1"));
      expect(error.type).toBe("invalid_key");
      expect(error.message).toContain("at most 255 bytes, got one of 256");
    });
  });

  test("deleting prunes the folders it empties, while others write into them", async () => {
    await Promise.all(
      Array.from({ length: 20 }, async (_, at) => {
        for (let round = 0; round < 10; round++) {
          await store(bucket, `deep/er/${at}`, "x");
          expect(await bucket.remove(`deep/er/${at}`, {}, signal)).toBe(true);
        }
      }),
    );
    expect(existsSync(join(directory.path, "deep"))).toBe(false);
  });

  test("readers of an object that is replaced all the time see whole objects", async () => {
    const contents = Array.from({ length: 4 }, (_, at) => noise(300_000, at + 1));
    const known = new Set(
      contents.map((bytes) => new Bun.CryptoHasher("sha256").update(bytes).digest("hex")),
    );
    await store(bucket, "hot", contents[0] ?? "");
    let writing = true;
    const writer = (async () => {
      for (let round = 0; round < 30; round++) await store(bucket, "hot", contents[round % 4] ?? "");
      writing = false;
    })();
    let reads = 0;
    const read = async () => {
      for (; writing; reads++) {
        const { info, body } = await bucket.open("hot", reads % 2 ? undefined : { first: 0 }, signal);
        const hash = new Bun.CryptoHasher("sha256").update(await collect(body)).digest("hex");
        expect(hash).toBe(info.etag);
        expect(known).toContain(hash);
      }
    };
    await Promise.all([writer, read(), read(), read()]);
    expect(reads).toBeGreaterThan(10);
    expect(bucket.notReady()).toEqual([]);
  });

  test("ten thousand objects are listed in order, page by page", async () => {
    // In memory where that can be had: what is tested is the order, not the disk's patience.
    directory.remove();
    const path = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "lakehouse-disk-"));
    directory = { path, remove: () => rmSync(path, { recursive: true, force: true }) };
    bucket = await open();
    const keys = Array.from(
      { length: 10_000 },
      (_, at) => `many/${at % 7}/${String(at * 7919).padStart(9, "0")}`,
    );
    await plant(keys);
    keys.sort();
    const found: string[] = [];
    for (let pageToken: string | undefined, more = true; more; ) {
      const page = await bucket.list({ prefix: "", pageSize: 999, pageToken, signal });
      found.push(...page.objects.map(({ key }) => key));
      pageToken = page.nextPageToken;
      more = pageToken !== undefined;
    }
    expect(found).toEqual(keys);
    expect(
      (await bucket.list({ prefix: "many/", delimiter: "/", pageSize: 9, signal })).prefixes,
    ).toHaveLength(7);
  });

  /** Objects of one content, written without the cost of making them durable: their files are links to one. */
  async function plant(keys: readonly string[]): Promise<void> {
    const { info } = await store(bucket, "planted", "x");
    const { ino, mtimeNs } = await stat(layout().data("planted"), { bigint: true });
    const current = { sha256: info.etag, bytes: info.bytes, mtime_ns: String(mtimeNs), ino: String(ino) };
    for (const folder of new Set(
      keys.flatMap((key) => [layout().data(key), layout().record(key)]).map(dirname),
    )) {
      mkdirSync(folder, { recursive: true });
    }
    for (const key of keys) {
      linkSync(layout().data("planted"), layout().data(key));
      writeFileSync(layout().record(key), encodeRecord({ key, current }));
    }
    await bucket.remove("planted", {}, signal);
  }
});
