/** Footers that state more than they hold: refused by their bytes, before room is made for what they state. */

import { afterAll, expect, test } from "bun:test";
import { join } from "node:path";
import { readSchema } from "../../../runtime/parquet/parquet.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

const directory = temporaryDirectory("parquet-schema");
afterAll(directory.remove);

/** A list of 9,999,999 lists. */
const list = [0xf9, 0xff, 0xac, 0xe2, 4];
test.each<[string, number[], string]>([
  ["a number that does not end", [0x16, ...Array(100).fill(0xff)], "a number has more than 10 bytes"],
  ["a list that is not there", [0x19, ...list], "it is cut off"],
  ["lists in each other", [0x19, ...Array(1000).fill(list).flat()], "nests deeper than 16 levels"],
  ["structs in each other", Array(1000).fill(0x1c), "nests deeper than 16 levels"],
  ["a name that is not there", [0x48, 100, 97], "it is cut off"],
  ["a map", [0x1b, 0], "a field has the type 11"],
])("%s", async (_, element, why) => {
  const footer = Buffer.from([0x15, 2, 0x19, 0x1c, ...element]);
  const tail = Buffer.alloc(8);
  tail.writeUInt32LE(footer.length);
  tail.write("PAR1", 4);
  const path = join(directory.path, "a.parquet");
  await Bun.write(path, Buffer.concat([Buffer.from("PAR1"), footer, tail]));
  await expect(readSchema(path)).rejects.toThrow(why);
});
