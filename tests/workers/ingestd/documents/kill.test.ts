/** `kill -9` while a document is replaced and deleted: its rows are of one text, its original is there, and no other stays. */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { seeded } from "../../../support/campaigns/seeded.ts";
import { killed } from "../../../support/durability/killed.ts";
import { temporaryDirectory } from "../../../support/stacks/in-process.ts";
import { startIngestStack } from "../../../support/stacks/ingestd.ts";

const kills = Number(process.env.DOCUMENT_KILLS ?? 1);
const program = join(import.meta.dir, "../../../fixtures/ingestd/document-loop.ts");

test(`${kills} kills between files, rows and originals`, async () => {
  const directory = temporaryDirectory("document-kill");
  const random = seeded(11);
  try {
    for (let round = 0; round < kills; round++) {
      const doom = { lines: 1 + Math.floor(random() * 6), moreMs: random() * 400 };
      const said = (await killed([program, directory.path], doom)).map(Number);
      const stack = await startIngestStack({}, {}, { orphan_grace_days: 0 }, directory.path);
      const rows = await stack.rows("SELECT text, sha256, char_end FROM killed ORDER BY chunk");
      const numbers = new Set(rows.flatMap(({ text }) => String(text).match(/\d+/g) ?? []));
      const [only] = numbers;
      // What was acknowledged last, or what came after it.
      const last = said.at(-1) ?? 0;
      const after = last === 0 ? Math.max(...said) + 1 : last + 1;
      expect([String(last), String(after), undefined]).toContain(only);
      if (only === undefined) expect(last % 4).toBe(0);
      expect(numbers.size).toBeLessThanOrEqual(1);
      if (rows.length > 0) {
        expect(rows.at(-1)?.char_end).toBe(`number ${only} `.repeat(40).trim().length);
        const original = await stack.send(new Request("http://localhost/documents/a.txt?corpus=killed"));
        expect(await original.text()).toBe(`number ${only} `.repeat(40));
      }
      // The same again ends what was begun.
      const again = await stack.post("/documents?corpus=killed&file=a.txt", "number 1");
      expect(again.status).toBe(200);
      expect(await stack.rows("SELECT DISTINCT text FROM killed")).toEqual([{ text: "number 1" }]);
      expect(await stack.leftovers()).toEqual([]);
      await stack.verbs.deleteDocument({ id: "a.txt", corpus: "killed" });
      await stack.stop();
    }
  } finally {
    directory.remove();
  }
});
