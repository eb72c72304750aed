import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { appendFileSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type JournalEntry, openErrorJournal } from "../../../../workers/storaged/errors/journal.ts";
import { makeSmallDisk, mountable } from "../../../support/faults/small-disk.ts";
import { temporaryDirectory } from "../../../support/stacks/in-process.ts";

const entry = (number: number, bucket = "primary"): JournalEntry => ({
  at: "2026-01-01T00:00:00.000Z",
  operation: "put",
  bucket,
  key: `key/${number}`,
  type: "corrupt",
  message: `failure ${number}`,
  request_id: `r${number}`,
});

describe("error journal", () => {
  let directory: ReturnType<typeof temporaryDirectory>;
  beforeEach(() => {
    directory = temporaryDirectory("journal");
  });
  afterEach(() => directory.remove());
  const files = () => readdirSync(directory.path).sort();
  const keys = (entries: JournalEntry[]) => entries.map(({ key }) => Number(key.slice(4)));

  test("gives entries newest first, by page and by bucket, and again after a restart", async () => {
    const journal = await openErrorJournal(directory.path, 1 << 20);
    for (let at = 0; at < 2500; at++) await journal.append(entry(at, at % 10 === 0 ? "cold" : "primary"));
    const readAll = async (from: typeof journal, pageSize: number, bucket?: string) => {
      const all: number[] = [];
      for (let pageToken: string | undefined, more = true; more; ) {
        const page = await from.read({ bucket, pageSize, pageToken });
        all.push(...keys(page.errors));
        pageToken = page.next_page_token;
        more = pageToken !== undefined;
      }
      return all;
    };
    const expected = Array.from({ length: 2500 }, (_, at) => 2499 - at);
    expect(await readAll(journal, 10_000)).toEqual(expected);
    expect(await readAll(journal, 7)).toEqual(expected);
    expect(await readAll(journal, 100, "cold")).toEqual(expected.filter((number) => number % 10 === 0));
    await journal.close();
    const again = await openErrorJournal(directory.path, 1 << 20);
    expect(await readAll(again, 1000)).toEqual(expected);
    await again.close();
  });

  test("pages stay where they were while entries are added", async () => {
    const journal = await openErrorJournal(directory.path, 1 << 20);
    for (let at = 0; at < 10; at++) await journal.append(entry(at));
    const first = await journal.read({ pageSize: 4 });
    await journal.append(entry(99));
    const second = await journal.read({ pageSize: 4, pageToken: first.next_page_token });
    expect([...keys(first.errors), ...keys(second.errors)]).toEqual([9, 8, 7, 6, 5, 4, 3, 2]);
    await journal.close();
  });

  test("is bounded: two files of the size allowed, the older ones gone", async () => {
    const bytesMax = 4096;
    const journal = await openErrorJournal(directory.path, bytesMax);
    for (let at = 0; at < 200; at++) await journal.append(entry(at));
    expect(files()).toHaveLength(2);
    for (const name of files())
      expect(statSync(join(directory.path, name)).size).toBeLessThanOrEqual(bytesMax);
    const { errors } = await journal.read({ pageSize: 10_000 });
    expect(errors.length).toBeGreaterThan(15);
    expect(keys(errors)).toEqual(Array.from({ length: errors.length }, (_, at) => 199 - at));
    await journal.close();
  });

  test("a torn line is passed over and takes no other with it", async () => {
    const journal = await openErrorJournal(directory.path, 1 << 20);
    for (let at = 0; at < 3; at++) await journal.append(entry(at));
    await journal.close();
    const path = join(directory.path, files()[0] ?? "");
    truncateSync(path, statSync(path).size - 20);
    const again = await openErrorJournal(directory.path, 1 << 20);
    await again.append(entry(3));
    expect(keys((await again.read({ pageSize: 10 })).errors)).toEqual([3, 1, 0]);
    await again.close();
  });

  test("a flipped bit and foreign lines are passed over", async () => {
    const journal = await openErrorJournal(directory.path, 1 << 20);
    for (let at = 0; at < 3; at++) await journal.append(entry(at));
    const path = join(directory.path, files()[0] ?? "");
    writeFileSync(path, readFileSync(path, "utf8").replace("failure 1", "failure 7"));
    appendFileSync(path, 'null\n{"at":1}\n\n');
    await journal.close();
    const again = await openErrorJournal(directory.path, 1 << 20);
    expect(keys((await again.read({ pageSize: 10 })).errors)).toEqual([2, 0]);
    await again.close();
  });

  test("long fields are cut", async () => {
    const journal = await openErrorJournal(directory.path, 1 << 20);
    await journal.append({ ...entry(1), message: "x".repeat(100_000) });
    expect((await journal.read({ pageSize: 1 })).errors[0]?.message).toHaveLength(2000);
    await journal.close();
  });

  test("a token that was made up is refused", async () => {
    const journal = await openErrorJournal(directory.path, 1 << 20);
    for (const pageToken of ["x", Buffer.from('{"file":1,"end":-1}').toString("base64url")]) {
      expect(journal.read({ pageSize: 1, pageToken })).rejects.toThrow("page_token");
    }
    await journal.close();
  });

  test.skipIf(!mountable.includes("tmpfs"))(
    "a full disk costs the entries that it refused and no other, also when a new file was due",
    async () => {
      const disk = makeSmallDisk("tmpfs", 256 * 1024);
      try {
        const journal = await openErrorJournal(disk.path, 16 * 1024);
        const long = (number: number) => ({ ...entry(number), message: "m".repeat(1500) });
        let number = 0;
        while (readdirSync(disk.path).length < 2) await journal.append(long(number++)).catch(() => {});
        const kept = new Set<number>();
        const append = async () => {
          const at = number++;
          await journal.append(long(at)).then(
            () => kept.add(at),
            () => undefined,
          );
        };
        for (let cycle = 0; cycle < 3; cycle++) {
          disk.fill();
          for (let at = 0; at < 12; at++) await append();
          disk.empty();
          for (let at = 0; at < 4; at++) await append();
        }
        const last = [...kept].slice(-4).reverse();
        expect(keys((await journal.read({ pageSize: 4 })).errors)).toEqual(last);
        await journal.close();
      } finally {
        disk.remove();
      }
    },
  );
});
