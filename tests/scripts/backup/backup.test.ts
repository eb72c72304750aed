/** The backup as a directory, and the commands where something is wrong. The drill is tests/system/backup/backup.test.ts. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { lineOf } from "../../../runtime/durable/checked-lines.ts";
import { refuseErased } from "../../../scripts/backup/erasures.ts";
import { decodePoint, encodePoint, type PointRecord } from "../../../scripts/backup/point-file.ts";
import { BackupError, Mismatch, openRepository } from "../../../scripts/backup/repository.ts";
import { snapshotOrder } from "../../../scripts/backup/take.ts";
import { blobsOf, command, fill, pieces } from "../../support/durability/backup-command.ts";
import { makeSmallDisk, mountable } from "../../support/faults/small-disk.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

const first = "2026-11-21T18:13:17.123Z";
const point = "2026-11-21T18-13-17.123Z";
const second = "2026-11-21T19:13:17.123Z";
const directories: { remove: () => void }[] = [];
const fresh = (): string => {
  const directory = temporaryDirectory("backup");
  directories.push(directory);
  return join(directory.path, "kept");
};
afterAll(() => {
  for (const { remove } of directories) remove();
});

describe("a point as a file", () => {
  const sha256 = "a".repeat(64);
  const record: PointRecord = {
    at: first,
    files: [
      { service: "chatd", path: "idempotency.log", bytes: 3, sha256 },
      {
        service: "storaged",
        path: "objects/primary/ä/b c.txt",
        bytes: 5,
        sha256,
        object: { bucket: "primary", key: "ä/b c.txt", etag: "e", content_type: "text/plain" },
      },
    ],
    damaged: [{ service: "storaged", path: "objects/primary/x", problem: "it is corrupt" }],
  };
  const text = [...encodePoint(record)].join("");

  test("is what was written", () => expect(decodePoint(text)).toEqual(record));

  test("without any of its bytes, or with one changed, is none", () => {
    for (let at = 0; at < text.length; at += 7) {
      expect(() => decodePoint(text.slice(0, at))).toThrow(/not complete|changed/);
      const changed = `${text.slice(0, at)}${text[at] === "1" ? "2" : "1"}${text.slice(at + 1)}`;
      expect(() => decodePoint(changed)).toThrow(/not complete|changed|format/);
    }
  });

  const leading = ["../x", "a/../../x", "/etc/passwd", "a//b", ".", "", "a/./b", "a\0b"];
  test.each(leading)("refuses the path %j", (path) => {
    const bad = [...encodePoint({ ...record, files: [{ service: "chatd", path, bytes: 0, sha256 }] })].join(
      "",
    );
    expect(() => decodePoint(bad)).toThrow("leads out of its directory");
  });

  test.each(["..", "a/b", "", "Chatd"])("refuses the service %j", (service) => {
    const bad = [...encodePoint({ ...record, files: [{ service, path: "a", bytes: 0, sha256 }] })].join("");
    expect(() => decodePoint(bad)).toThrow("that is no service");
  });

  test("refuses a newer format", () => {
    const lines = `${JSON.stringify({ format: 2, at: first })}\n`;
    const hash = new Bun.CryptoHasher("sha256").update(lines).digest("hex");
    expect(() => decodePoint(`${lines}${JSON.stringify({ seal: { lines: 1, sha256: hash } })}\n`)).toThrow(
      "use a newer version",
    );
  });
});

test("points are taken from callers before those they call", () => {
  const order = snapshotOrder();
  expect(order[0]).toBe("gateway");
  expect(order.at(-1)).toBeOneOf(["storaged", "embedd", "pathwayd", "chatd"]);
  const isBefore = (one: string, other: string) => order.indexOf(one) < order.indexOf(other);
  expect(isBefore("matrixd", "vectord") && isBefore("vectord", "storaged")).toBe(true);
  expect(isBefore("observerd", "matrixd") && isBefore("ingestd", "catalogd")).toBe(true);
});

describe("a backup as a directory", () => {
  test("has each content once, and drops what no point has", async () => {
    const path = fresh();
    await fill(path, first, { a: "same", b: "same", c: "only the first" });
    expect(blobsOf(path)).toHaveLength(2);
    await fill(path, second, { a: "same", d: "only the second" });
    expect(blobsOf(path)).toHaveLength(3);
    const repository = await openRepository(path, { write: true });
    expect(await repository.keep(2)).toEqual({ points: 0, blobs: 0, bytes: 0 });
    expect(await repository.keep(1)).toEqual({ points: 1, blobs: 1, bytes: 14 });
    expect(await repository.points()).toEqual(["2026-11-21T19-13-17.123Z"]);
    repository.close();
    expect((await command("backup", [path, "--verify"], { cwd: "/" })).code).toBe(0);
  });

  test("is begun anew where one was killed before it was one, and goes on where it has its format alone", async () => {
    const path = fresh();
    mkdirSync(path);
    for (const name of ["lock.sqlite", "lock.sqlite-journal", ".5f3c.part"])
      writeFileSync(join(path, name), "");
    (await openRepository(path, { write: true })).close();
    for (const name of ["blobs", "points", "incoming"]) rmSync(join(path, name), { recursive: true });
    expect(await (await openRepository(path, { write: false })).points()).toEqual([]);
    await fill(path, first, { a: "a" });
    expect(blobsOf(path)).toHaveLength(1);
  });

  test("a point of before an erasure is not restored, unless it is meant", async () => {
    const path = fresh();
    const log = (...states: string[]) =>
      [
        { format: "lakehouse.erasures", version: 1, log_id: "x" },
        ...states.map((state) => ({ id: "e1", at: second, who: "the officer", why: "case 12", state })),
      ]
        .map(lineOf)
        .join("");
    await fill(path, first, { "erasures.log": log("open") }, "gateway");
    await fill(path, second, { "erasures.log": log("open", "done") }, "gateway");
    const repository = await openRepository(path, { write: false });
    const [before = "", after = ""] = await repository.points();
    const refused = refuseErased(repository, before);
    expect(refused).rejects.toBeInstanceOf(BackupError);
    expect(refused).rejects.toThrow(`${second}, asked for by the officer: case 12`);
    await refused.catch(() => undefined);
    await refuseErased(repository, after);
    repository.close();
  });

  test("keeps no blob of other bytes than those expected, and nothing of it", async () => {
    const path = fresh();
    const repository = await openRepository(path, { write: true });
    const refused = repository.add(pieces("abc"), { sha256: "0".repeat(64), bytes: 3 });
    expect(refused).rejects.toBeInstanceOf(Mismatch);
    expect(repository.add(pieces("abc"), { bytes: 4 })).rejects.toThrow("3 bytes in place of 4");
    await refused.catch(() => undefined);
    expect(blobsOf(path)).toEqual([]);
    expect(readdirSync(join(path, "incoming"))).toEqual([]);
    repository.close();
  });

  test("does not drop points when one of those that stay cannot be read", async () => {
    const path = fresh();
    await fill(path, first, { a: "1" });
    const name = await fill(path, second, { a: "2" });
    writeFileSync(join(path, "points", `${name}.jsonl`), "half");
    const repository = await openRepository(path, { write: true });
    expect(repository.keep(1)).rejects.toThrow("cannot be used: it is not complete");
    expect(await repository.points()).toHaveLength(2);
    repository.close();
  });

  test("is written to by one at a time, and read by any", async () => {
    const path = fresh();
    const repository = await openRepository(path, { write: true });
    expect(openRepository(path, { write: true })).rejects.toThrow("another backup is being written");
    expect(await (await openRepository(path, { write: false })).points()).toEqual([]);
    repository.close();
    (await openRepository(path, { write: true })).close();
  });

  test.skipIf(!mountable.includes("tmpfs"))(
    "a full disk is told, what was there stays, and it goes on",
    async () => {
      const disk = makeSmallDisk("tmpfs", 4 * 1024 * 1024);
      const path = join(disk.path, "kept");
      await fill(path, first, { a: "1" });
      disk.fill(65_536);
      const large = "x".repeat(1_000_000);
      const error = await fill(path, second, { b: large }).catch((cause: unknown) => cause);
      expect(error).toBeInstanceOf(BackupError);
      expect((error as Error).message).toMatch(/the disk is full.*Mend that and run the command again/);
      expect(readdirSync(join(path, "incoming"))).toEqual([]);
      expect(readdirSync(join(path, "points"))).toEqual([`${point}.jsonl`]);
      disk.empty();
      await fill(path, second, { b: large });
      expect((await command("backup", [path, "--verify"], { cwd: "/" })).out).toContain("2 points, 2 blobs");
      disk.remove();
    },
  );
});

type Row = [
  name: string,
  words: (path: string) => string[],
  code: number,
  says: string | RegExp,
  /** Harms the backup, which has one point of two files. */
  harm?: (path: string) => void,
];

const blobOf = (path: string, text: string): string => {
  const hash = new Bun.CryptoHasher("sha256").update(text).digest("hex");
  return join(path, "blobs", hash.slice(0, 2), hash);
};
const flip = (path: string) => writeFileSync(blobOf(path, "two"), "twp");
const cut = (path: string) => {
  const file = join(path, "points", `${point}.jsonl`);
  writeFileSync(file, readFileSync(file, "utf8").slice(0, -20));
};

const backupRows: Row[] = [
  ["help", () => ["--help"], 0, "--keep N"],
  ["no directory", () => [], 2, "expected the directory of the backup"],
  ["two directories", (path) => [path, "b"], 2, "got 'b' as well"],
  ["an unknown option", (path) => [path, "--fast"], 2, "unexpected option '--fast'"],
  ["keep without a number", (path) => [path, "--keep"], 2, "--keep needs a value"],
  ["keep nothing", (path) => [path, "--keep=0"], 2, "1 or more, got '0'"],
  ["keep with list", (path) => [path, "--list", "--keep=1"], 2, "do not go with them"],
  ["no address", (path) => [path, "--gateway", "here"], 2, "expected an address"],
  ["an unknown key", (path) => [path, "--gateway.bnd=x"], 2, "did you mean 'gateway.bind'"],
  [
    "nothing runs",
    (path) => [path, "--gateway", "http://127.0.0.1:9"],
    1,
    /no Lakehouse answers at http:\/\/127\.0\.0\.1:9 .*bun run supervisor/,
  ],
  ["list", (path) => [path, "--list"], 0, `${point}  2 files, 6 B`],
  ["list of a torn point", (path) => [path, "--list"], 1, "it is not complete", cut],
  ["verify", (path) => [path, "--verify"], 0, "every checksum holds"],
  ["a flipped bit", (path) => [path, "--verify"], 1, "its bytes have changed: chatd/b", flip],
  [
    "a missing blob",
    (path) => [path, "--verify"],
    1,
    "it is missing: chatd/b of point",
    (path) => rmSync(blobOf(path, "two")),
  ],
  ["verify of a torn point", (path) => [path, "--verify"], 1, "it is not complete", cut],
  ["list of nothing", (path) => [`${path}/none`, "--list"], 1, "is no backup: there is nothing in it"],
  [
    "another's directory",
    (path) => [path],
    1,
    "is no backup: it holds other files",
    (path) => rmSync(join(path, "format.json")),
  ],
  [
    "a newer format",
    (path) => [path, "--list"],
    1,
    "is 2; this version reads 1",
    (path) => writeFileSync(join(path, "format.json"), '{"format":2}'),
  ],
  ["a file in the way", (path) => [join(path, "format.json", "x")], 1, /cannot be (written to|read)/],
];

const into = (path: string) => `--data_dir=${path}-data`;
const restoreRows: Row[] = [
  [
    "a configuration that is not there: another directory would be written to than was meant",
    (path) => [path, "--config", "/there/is/none.toml"],
    2,
    "--config: there is no file '/there/is/none.toml'",
  ],
  ["help", () => ["--help"], 0, "--at POINT"],
  ["an unknown service", (path) => [path, "--only=x"], 2, "there is no service 'x'"],
  ["no such point", (path) => [path, into(path), "--at=2025"], 1, `there are ${point}`],
  [
    "a directory that is not empty",
    (path) => [path, into(path)],
    1,
    "is not empty (mine)",
    (path) => mkdirSync(`${path}-data/mine`, { recursive: true }),
  ],
  ["a flipped bit", (path) => [path, into(path)], 1, "nothing was restored", flip],
  ["a torn point", (path) => [path, into(path)], 1, "it is not complete", cut],
  [
    "an unfinished restore of another point",
    (path) => [path, into(path)],
    1,
    "go on with --at 2025",
    (path) => {
      mkdirSync(`${path}-data`);
      writeFileSync(`${path}-data/restore.json`, '{"point":"2025"}');
    },
  ],
];

for (const [name, rows] of [
  ["backup", backupRows],
  ["restore", restoreRows],
] as const) {
  describe(`bun run ${name}`, () => {
    for (const [title, words, code, says, harm] of rows)
      test(title, async () => {
        const path = fresh();
        await fill(path, first, { a: "one", b: "two" });
        harm?.(path);
        const before = blobsOf(path);
        const ran = await command(name, words(path), { cwd: join(path, "..") });
        const said = ran.out + ran.err;
        expect(said).not.toContain("    at ");
        if (typeof says === "string") expect(said).toContain(says);
        else expect(said).toMatch(says);
        expect(ran.code).toBe(code);
        expect(blobsOf(path)).toEqual(before);
      });
  });
}

describe("the mark of an unfinished restore", () => {
  let path = "";
  beforeAll(() => {
    path = fresh();
    mkdirSync(path, { recursive: true });
    writeFileSync(join(path, "restore.json"), '{"point":"x"}');
  });
  test("keeps Lakehouse from starting, and says what to do", async () => {
    const main = join(import.meta.dir, "../../../runtime/main.ts");
    const child = Bun.spawn([process.execPath, main, "--only=storaged", `--data_dir=${path}`], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    const said = await new Response(child.stderr).text();
    expect(await child.exited).toBe(1);
    expect(said).toContain("holds a restore that has not ended");
    expect(readdirSync(path)).toEqual(["restore.json"]);
  });
});

test.skipIf(process.getuid?.() === 0)("a directory that may not be written to is told", async () => {
  const path = fresh();
  mkdirSync(path, { recursive: true });
  chmodSync(path, 0o500);
  const ran = await command("backup", [path], { cwd: "/" });
  expect(ran.err).toContain("cannot be written to");
  expect(ran.code).toBe(1);
});

test("a place where no directory can be is told", async () => {
  const ran = await command("backup", ["/proc/lakehouse"], { cwd: "/" });
  expect(ran.err).toContain("cannot be written to (ENOENT)");
  expect(ran.code).toBe(1);
});
