/** A store knows what belongs to it: the record, the stamps, and what an operator accepts. */
import { afterAll, expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beginFolders, folderState } from "../../../runtime/service/folder.ts";
import { createAdoption, isUsed } from "../../../runtime/store/adoption.ts";
import { openStore } from "../../../runtime/store/open.ts";
import { createLog } from "../../../runtime/telemetry/log.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

const root = temporaryDirectory("store");
afterAll(root.remove);
let made = 0;
const log = createLog("test", "error");
const now = () => "2026-01-02T03:04:05.000Z";

/** A data directory with the folders of these services. */
function newDirectory(...services: string[]): string {
  const path = join(root.path, String(made++));
  for (const name of services) mkdirSync(join(path, name), { recursive: true });
  return path;
}
const idIn = (dataDir: string): string =>
  JSON.parse(readFileSync(join(dataDir, "store.json"), "utf8")).is.store_id;

/** A start of these services; what it logged. */
async function begin(dataDir: string, services: string[], adopt: string[] = []) {
  const lines: Record<string, unknown>[] = [];
  const log = createLog("test", "info", (line) => lines.push(JSON.parse(line)));
  const adoption = createAdoption(adopt, log);
  await beginFolders({ dataDir, services, adoption, log, now });
  return { lines, asked: adoption.asked() };
}
const refusals = async (dataDir: string, ...services: string[]) =>
  Promise.all(
    services.map(async (name) => (await folderState(name, { dataDir, now, log })).reasons.join(" ")),
  );

test("a folder that was begun and is emptied, removed, another's or has a damaged stamp is refused; the others go on", async () => {
  const dataDir = newDirectory("a", "b");
  expect((await begin(dataDir, ["a", "b"])).lines).toEqual([]);
  const other = newDirectory("a");
  await begin(other, ["a"]);
  const stamp = join(dataDir, "a/stamp.json");
  const whole = readFileSync(stamp, "utf8");
  const cases = [
    { change: () => rmSync(stamp), says: "the folder of a is gone or emptied: it was begun at 2026-01-02" },
    { change: () => rmSync(join(dataDir, "a"), { recursive: true }), says: "is gone or emptied" },
    {
      change: () => writeFileSync(stamp, readFileSync(join(other, "a/stamp.json"))),
      says: `another store (${idIn(other)})`,
    },
    {
      change: () => writeFileSync(stamp, readFileSync(join(dataDir, "b/stamp.json"))),
      says: "is the folder of b of this store",
    },
    { change: () => writeFileSync(stamp, whole.replace("2", "3")), says: "is damaged" },
    { change: () => writeFileSync(stamp, whole.slice(0, -3)), says: "is damaged" },
    { change: () => writeFileSync(stamp, ""), says: "is damaged" },
  ];
  for (const { change, says } of cases) {
    mkdirSync(join(dataDir, "a"), { recursive: true });
    writeFileSync(stamp, whole);
    expect(await refusals(dataDir, "a", "b")).toEqual(["", ""]);
    change();
    const [ofA = "", ofB] = await refusals(dataDir, "a", "b");
    expect(ofA).toContain(says);
    expect(ofA).toContain("--adopt=a");
    expect(ofB).toBe("");
    expect((await begin(dataDir, ["a", "b"])).lines).toMatchObject([
      { level: "error", name: "a", reason: ofA },
    ]);
    expect(await refusals(dataDir, "a", "b")).toEqual([ofA, ""]);
  }
});

test("an adoption is told with what was accepted, and keeps the stamp that was there", async () => {
  const dataDir = newDirectory("a");
  await begin(dataDir, ["a"]);
  const other = newDirectory("a");
  await begin(other, ["a"]);
  const foreign = readFileSync(join(other, "a/stamp.json"), "utf8");
  writeFileSync(join(dataDir, "a/stamp.json"), foreign);
  // Another place's acceptance accepts nothing here.
  expect((await begin(dataDir, ["a"], ["a/some.log"])).asked).toEqual(["a"]);
  expect((await refusals(dataDir, "a"))[0]).toContain("another store");

  const { lines, asked } = await begin(dataDir, ["a"], ["a"]);
  expect(lines).toMatchObject([
    { level: "warn", place: "a", accepted: expect.stringContaining("another store") },
  ]);
  expect(asked).toEqual(["a"]);
  expect(await refusals(dataDir, "a")).toEqual([""]);
  const [aside = ""] = readdirSync(join(dataDir, "a")).filter((name) =>
    name.startsWith("stamp.json.adopted-"),
  );
  expect(readFileSync(join(dataDir, "a", aside), "utf8")).toBe(foreign);
  // The next start asks for nothing, so the acceptance is not needed any more.
  expect((await begin(dataDir, ["a"], ["a"])).asked).toEqual([]);
});

test("one that is damaged or gone is made anew by the stamps, says so until it is accepted, and is kept", async () => {
  for (const harm of ["cut", "flipped", "emptied", "removed"]) {
    const dataDir = newDirectory("a", "b");
    await begin(dataDir, ["a", "b"]);
    const id = idIn(dataDir);
    const path = join(dataDir, "store.json");
    const text = readFileSync(path, "utf8");
    if (harm === "removed") rmSync(path);
    else
      writeFileSync(
        path,
        {
          cut: text.slice(0, -1).trimEnd().slice(0, -1),
          flipped: text.replace('"format": 1', '"format": 3'),
          emptied: "",
        }[harm] ?? "",
      );

    const { lines } = await begin(dataDir, ["a", "b"]);
    expect(lines).toMatchObject([{ level: "error", reason: expect.stringContaining("--adopt=store.json") }]);
    expect(idIn(dataDir)).toBe(id);
    const reasons = await refusals(dataDir, "a", "b");
    for (const reason of reasons) expect(reason).toContain("was made anew from what is here");
    const aside = readdirSync(dataDir).filter((name) => name.startsWith("store.json.damaged-"));
    expect(aside).toHaveLength(harm === "removed" ? 0 : 1);

    await begin(dataDir, ["a", "b"], ["store.json"]);
    expect(await refusals(dataDir, "a", "b")).toEqual(["", ""]);
    // What had a stamp is known again.
    rmSync(join(dataDir, "b/stamp.json"));
    expect((await refusals(dataDir, "b"))[0]).toContain("gone or emptied");
  }
});

test("a directory from before has its folders stamped at the first start", async () => {
  const dataDir = newDirectory("a");
  writeFileSync(join(dataDir, "a/some.log"), "kept");
  expect((await begin(dataDir, ["a"])).lines).toEqual([]);
  expect(readFileSync(join(dataDir, "a/some.log"), "utf8")).toBe("kept");
  rmSync(join(dataDir, "a/stamp.json"));
  expect((await refusals(dataDir, "a"))[0]).toContain("gone or emptied");
});

test("processes that start at once on a new directory agree on one store, and none forgets what another began", async () => {
  const names = Array.from({ length: 8 }, (_, at) => `service-${at}`);
  for (let round = 0; round < 3; round++) {
    const dataDir = newDirectory(...names);
    const program = join(import.meta.dir, "../../support/durability/begin-folder.ts");
    const processes = names.map((name) =>
      Bun.spawn([process.execPath, program, dataDir, name], { stdio: ["ignore", "pipe", "inherit"] }),
    );
    const ids = await Promise.all(processes.map((each) => new Response(each.stdout).text()));
    expect(new Set(ids).size).toBe(1);
    const { is } = JSON.parse(readFileSync(join(dataDir, "store.json"), "utf8"));
    expect(Object.keys(is.services).sort()).toEqual(names);
    expect(is.store_id).toBe(ids[0]);
    expect(await refusals(dataDir, ...names)).toEqual(names.map(() => ""));
  }
});

test("a bucket with the name of a service is another place", async () => {
  const dataDir = newDirectory("a");
  const store = await openStore({ dataDir, now, log });
  const stamps = new Map<string, string>();
  const place = (kind: "bucket" | "service") => ({
    kind,
    name: "a",
    at: kind,
    read: async () => (stamps.has(kind) ? new TextEncoder().encode(stamps.get(kind)) : null),
    write: async (text: string) => void stamps.set(kind, text),
    setAside: async () => {},
  });
  expect(await store.admit([place("bucket")], () => false)).toEqual(["ours"]);
  expect(await store.look(place("service"))).toBe("new");
  stamps.set("service", stamps.get("bucket") ?? "");
  expect(await store.look(place("service"))).toMatchObject({
    refusal: expect.stringContaining("bucket 'a' of this store"),
  });
});

test("an acceptance is used by its place, and by the logs in its folder", () => {
  expect([
    isUsed("a", ["a"]),
    isUsed("a", ["a/x.log"]),
    isUsed("a/x.log", ["a"]),
    isUsed("a", ["ab"]),
  ]).toEqual([true, true, false, false]);
});
