/** SQLite as the product opens it: nothing mapped, one process at a time, names to the letter. */
import { afterAll, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { openSqlite } from "../../../runtime/sqlite/sqlite.ts";
import { makeSmallDisk, mountable } from "../../support/faults/small-disk.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

const home = temporaryDirectory("sqlite");
afterAll(home.remove);

/** Opens the file in a process of its own, writes a row, and prints "written" or SQLite's code. */
function writtenApart(file: string) {
  const door = JSON.stringify(import.meta.resolve("../../../runtime/sqlite/sqlite.ts"));
  const code = `
    const { openSqlite } = await import(${door});
    const database = openSqlite(${JSON.stringify(file)});
    try {
      database.run("PRAGMA journal_mode = WAL");
      database.run("INSERT INTO t VALUES (randomblob(2000))");
      console.log("written");
    } catch ({ code }) {
      console.log(code);
    } finally {
      database.close();
    }`;
  const { stdout, stderr, signalCode } = Bun.spawnSync([process.execPath, "-e", code]);
  return signalCode ?? `${stdout}${stderr}`.trim();
}

function withTable(file: string) {
  const database = openSqlite(file, { create: true });
  database.run("PRAGMA journal_mode = WAL");
  database.run("CREATE TABLE t (x)");
  return database;
}

test("connections share the log, nothing of it is mapped, and a name means itself", () => {
  const folder = join(home.path, "100%25 #1? é");
  mkdirSync(folder);
  const file = join(folder, "a?vfs=none#b%20c.sqlite");
  const writer = withTable(file);
  const reader = openSqlite(file);
  reader.run("BEGIN");
  const count = () => reader.query("SELECT count(*) AS n FROM t").get();
  expect(count()).toEqual({ n: 0 });
  writer.run("INSERT INTO t VALUES (1)");
  expect(count()).toEqual({ n: 0 });
  reader.run("COMMIT");
  expect(count()).toEqual({ n: 1 });
  expect(readdirSync(folder).sort()).toEqual(["a?vfs=none#b%20c.sqlite", "a?vfs=none#b%20c.sqlite-wal"]);
  if (existsSync("/proc/self/maps")) expect(readFileSync("/proc/self/maps", "utf8")).not.toContain(file);
  expect(reader.query("PRAGMA mmap_size").get()).toEqual({ mmap_size: 0 });
  for (const database of [reader, writer]) database.close();
  expect(readdirSync(folder)).toHaveLength(1);
});

test("another process is refused while one has the file open", () => {
  const file = join(home.path, "one.sqlite");
  const database = withTable(file);
  openSqlite(file).close();
  expect(writtenApart(file)).toBe("SQLITE_BUSY");
  database.close();
  expect(writtenApart(file)).toBe("written");
});

test("a file that is not there is made only where that was asked for", () => {
  expect(() => openSqlite(join(home.path, "none.sqlite"))).toThrow("unable to open database file");
});

test.skipIf(!mountable.includes("ext4"))("a disk without room refuses a write, and ends no process", () => {
  const disk = makeSmallDisk("ext4", 8 * 1024 * 1024);
  try {
    const file = join(disk.path, "full.sqlite");
    withTable(file).close();
    const ends = new Set<string | number>();
    // The index of a log has 32 KiB: however much of it finds room.
    for (let leave = 0; leave <= 48 * 1024; leave += 4096) {
      disk.fill(leave);
      ends.add(writtenApart(file));
      disk.empty();
    }
    expect([...ends].sort()).toEqual(["SQLITE_FULL", "written"]);
  } finally {
    disk.remove();
  }
});
