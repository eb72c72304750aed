/** Events out of bytes that arrive in any pieces. */
import { describe, expect, test } from "bun:test";
import { eventsOf, linesOf } from "../../../../workers/chatd/providers/event-lines.ts";
import { seeded } from "../../../support/campaigns/seeded.ts";

const all = async <T>(items: AsyncIterable<T>): Promise<T[]> => {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
};
async function* inPieces(text: string, cuts: readonly number[]): AsyncGenerator<Uint8Array> {
  const bytes = new TextEncoder().encode(text);
  const places = [...new Set([...cuts.map((cut) => cut % bytes.length), bytes.length])].sort((a, b) => a - b);
  let from = 0;
  for (const to of places) {
    yield bytes.subarray(from, to);
    from = to;
  }
}

describe("events", () => {
  const text =
    ': hello\n\nevent: error\ndata: {"ä":1}\n\ndata: one\ndata:two\r\n\r\nid: 7\n\ndata\n\ndata: cut off';
  const expected = [{ event: "error", data: '{"ä":1}' }, { data: "one\ntwo" }, { data: "" }];
  test("are the same however the bytes are cut, and one that breaks off is none", async () => {
    const random = seeded(7);
    for (let round = 0; round < 300; round++) {
      const cuts = Array.from({ length: Math.floor(random() * 20) }, () => Math.floor(random() * 1000));
      expect(await all(eventsOf(inPieces(text, cuts)))).toEqual(expected);
    }
  });

  test("lines keep what follows the last end", async () => {
    expect(await all(linesOf(inPieces("a\r\n\nb", [1, 2, 3])))).toEqual(["a", "", "b"]);
  });

  test("an endless line is refused before it fills the memory", async () => {
    async function* endless(begun = ""): AsyncGenerator<Uint8Array> {
      yield new TextEncoder().encode(begun);
      for (;;) yield new Uint8Array(1024 * 1024).fill(120);
    }
    await expect(all(linesOf(endless()))).rejects.toThrow(RangeError);
    await expect(all(eventsOf(endless("data: ")))).rejects.toThrow(RangeError);
  });
});
