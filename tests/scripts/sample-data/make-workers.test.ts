import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import {
  workerColumns,
  workerRow,
  workersCsv,
  workersPieces,
} from "../../../scripts/sample-data/make-workers.ts";
import { places } from "../../../scripts/sample-data/places.ts";
import { rfc4180 } from "../../support/clients/rfc4180.ts";

const script = join(import.meta.dir, "../../../scripts/sample-data/make-workers.ts");
const csvOf = (rows: number, seed: number): string =>
  Buffer.concat([...workersPieces({ rows, seed })]).toString("utf8");
const sample = 3000;
const parsed = Array.from({ length: sample }, (_, row) => workerRow(1, row));
const column = (name: (typeof workerColumns)[number]): string[] =>
  parsed.map((row) => row[workerColumns.indexOf(name)] ?? "");

describe("workers CSV", () => {
  test("the format is pinned", () => {
    const hash = new Bun.CryptoHasher("sha256").update(csvOf(1000, 1)).digest("hex");
    expect(hash).toMatchInlineSnapshot(`"e3b6d25fd82ecd32c1624a4dda3d291a9eae7ef138a958c9c172aa785301cd94"`);
  });

  test("a strict reader gets back every field that went in", () => {
    const [header, ...rows] = rfc4180(csvOf(sample, 1));
    expect(header).toEqual([...workerColumns]);
    expect(rows.map((row) => row.map((field) => field ?? ""))).toEqual(parsed);
  });

  test("a shorter file is the beginning of a longer one; another seed is another file", () => {
    expect(csvOf(500, 7).startsWith(csvOf(200, 7))).toBe(true);
    expect(csvOf(200, 8)).not.toBe(csvOf(200, 7));
    expect(csvOf(0, 7)).toBe(`${workerColumns.join(",")}\n`);
  });

  test("as a stream it has the same bytes", async () => {
    expect(await new Response(workersCsv({ rows: 4000, seed: 3 })).text()).toBe(csvOf(4000, 3));
  });

  test("it is of the size that was promised", () => {
    const bytesPerRow = Buffer.byteLength(csvOf(sample, 1)) / sample;
    expect(bytesPerRow).toBeWithin(600, 700);
  });

  test("it holds what makes CSV hard", () => {
    expect(column("zip").filter((zip) => /^0\d{4}$/.test(zip)).length).toBeGreaterThan(50);
    expect(column("certifications").some((text) => text.includes(","))).toBe(true);
    expect(column("skills").some((text) => text.includes('"'))).toBe(true);
    expect(column("notes").some((text) => text.includes("\n"))).toBe(true);
    expect(column("name").some((text) => /[\p{Script=Cyrillic}\p{Script=Han}]/u.test(text))).toBe(true);
    for (const name of [
      "email",
      "phone",
      "hourly_rate",
      "last_active_at",
      "certifications",
      "notes",
    ] as const) {
      expect(column(name).filter((text) => text === "").length).toBeGreaterThan(0);
    }
  });

  test.each([
    ["worker_id", /^\d+$/],
    ["email", /^([a-z]+\.[a-z]+\d+@example\.(com|org|net))?$/],
    ["phone", /^(\+1 \d{3} 555 \d{4})?$/],
    ["zip", /^\d{5}$/],
    ["availability", /^(0\.\d\d|1\.00)$/],
    ["hourly_rate", /^(\d+\.\d\d)?$/],
    ["hired_on", /^20(1\d|2[0-5])-\d\d-\d\d$/],
    ["last_active_at", /^(20\d\d-\d\d-\d\d \d\d:\d\d:\d\d)?$/],
    ["reliability", /^(0\.\d{1,3}|1)$/],
    ["active", /^(true|false)$/],
  ] as const)("%s is always %p", (name, pattern) => {
    expect(column(name).filter((text) => !pattern.test(text))).toEqual([]);
  });

  test("city, state, ZIP code and area code belong together", () => {
    const strangers = parsed.filter((row) => {
      const [phone = "", , city = "", state = "", zip = ""] = row.slice(3);
      return !places.some(
        (place) =>
          place.city === city &&
          place.state === state &&
          zip.startsWith(place.zip3) &&
          (phone === "" || phone.startsWith(`+1 ${place.area} `)),
      );
    });
    expect(strangers).toEqual([]);
    expect(column("city").filter((city) => city === "Chicago").length).toBeGreaterThan(sample / 50);
  });

  test("nobody was active before being hired", () => {
    const hired = column("hired_on");
    const early = column("last_active_at").filter(
      (at, row) => at !== "" && at.slice(0, 10) < (hired[row] ?? ""),
    );
    expect(early).toEqual([]);
  });

  test("the command writes to standard output", () => {
    const run = Bun.spawnSync([process.execPath, script, "--rows", "50", "--seed", "9", "--out", "-"]);
    expect(run.stdout.toString()).toBe(csvOf(50, 9));
  });

  test.each([
    [["--rows", "many"], "--rows: expected an integer of 0 to 4294967295, not 'many'"],
    [["--seed", "-1"], "--seed"],
    [["--columns", "3"], "--columns"],
  ])("%p is refused", (words, message) => {
    const run = Bun.spawnSync([process.execPath, script, ...words, "--out", "-"]);
    expect(run.exitCode).toBe(1);
    expect(run.stderr.toString()).toContain(message);
    expect(run.stderr.toString()).toContain("usage:");
    expect(run.stdout.length).toBe(0);
  });
});
