/** Originals of documents that are lost or exchanged: nothing else is shown for one, and reading and inspections name it. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Durable } from "../../../../runtime/durable/inspection.ts";
import { type DocumentsStack, startDocumentsStack } from "../../../support/corpora/documents.ts";
import { findingsOf } from "../../../support/durability/durable.ts";

let stack: DocumentsStack;
const texts = Object.fromEntries(["gone", "other", "cut", "well"].map((name) => [name, `Text of ${name}.`]));
const keyOf = (name: string) =>
  `documents/papers/${new Bun.CryptoHasher("sha256").update(texts[name] ?? "").digest("hex")}`;
const load = (name: string) =>
  stack.load("papers", [{ name: `${name}.txt`, bytes: texts[name] as string, type: "text/plain" }]);
const original = async (name: string) => {
  const response = await stack.send(
    new Request(`http://localhost/documents/${name}.txt?corpus=papers`, { method: "GET" }),
  );
  return { status: response.status, text: await response.text() };
};
const findings = () => findingsOf(stack.ingestd.running.durable as Durable);
const reasons = () => stack.ingestd.running.notReady?.() ?? [];

beforeAll(async () => {
  stack = await startDocumentsStack();
  for (const name of Object.keys(texts)) expect((await load(name)).status).toBe(200);
});
afterAll(() => stack.stop());

test("originals that are there are not reported", async () => {
  expect(await findings()).toEqual([]);
  expect(await original("gone")).toEqual({ status: 200, text: "Text of gone." });
  expect(reasons()).toEqual([]);
});

test("one that is gone, and one that is another file with a checksum of its own, are named and not shown", async () => {
  await stack.storaged.erase({ key: keyOf("gone") });
  await stack.storaged.write({ key: keyOf("other"), bytes: new TextEncoder().encode("Text of another.") });
  const lines = [
    { place: `primary://${keyOf("gone")}`, problem: expect.stringContaining("it does not exist") },
    { place: `primary://${keyOf("other")}`, problem: expect.stringContaining("it is another file") },
  ].sort((a, b) => (a.place < b.place ? -1 : 1));
  expect(await findings()).toMatchObject(lines.map((line) => ({ severity: "damage", ...line })));
  // In the order in which they were found, which is that of the reads.
  const named = reasons();
  expect(named).toHaveLength(lines.length);
  for (const { place } of lines)
    expect(named).toContainEqual(expect.stringContaining(place.slice("primary://".length)));
  for (const name of ["gone", "other"])
    expect(await original(name)).toEqual({
      status: 500,
      text: expect.stringContaining(`the original of '${name}.txt'`),
    });
  expect((await original("well")).status).toBe(200);
});

test("loading the documents again mends both", async () => {
  for (const name of ["gone", "other"]) {
    expect((await load(name)).status).toBe(200);
    expect(await original(name)).toEqual({ status: 200, text: texts[name] as string });
  }
  expect(reasons()).toEqual([]);
  expect(await findings()).toEqual([]);
});

test("so does it one whose bytes are damaged, which storaged names", async () => {
  const folder = join(stack.directory, "buckets/primary");
  const [path = ""] = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((each) =>
    each.endsWith(keyOf("cut")),
  );
  writeFileSync(join(folder, path), readFileSync(join(folder, path)).subarray(1));
  expect((await original("cut")).status).toBe(500);
  expect((await load("cut")).status).toBe(200);
  expect(await original("cut")).toEqual({ status: 200, text: texts.cut as string });
  expect(await findings()).toEqual([]);
});

test("one whose document is deleted is missed no more", async () => {
  await stack.storaged.erase({ key: keyOf("gone") });
  expect(await findings()).toHaveLength(1);
  expect((await stack.ask("DELETE", "/documents/gone.txt?corpus=papers")).status).toBe(200);
  expect(await findings()).toEqual([]);
  while (reasons().length > 0) await Bun.sleep(5);
});
