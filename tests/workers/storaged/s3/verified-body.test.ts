/** Spans of objects in pieces: every byte that is given is of a piece that was right, and none is missing unnoticed. */
import { expect, test } from "bun:test";
import { sha256Check } from "../../../../workers/storaged/s3/checks.ts";
import { verifiedSpan } from "../../../../workers/storaged/s3/verified-body.ts";

const stored = Buffer.from("abcdefghijkl");
const pieceBytes = 5;
const hashOf = (piece: number) =>
  Bun.SHA256.hash(stored.subarray(piece * pieceBytes, (piece + 1) * pieceBytes), "hex");
/** Bytes 2 to 10 of what arrives in chunks of three. */
const given = async (arrives: string): Promise<string> => {
  const chunks = arrives.match(/.{1,3}/g) ?? [];
  const source = new ReadableStream<Uint8Array>({
    start: (controller) => {
      for (const chunk of chunks) controller.enqueue(Buffer.from(chunk));
      controller.close();
    },
  });
  const body = verifiedSpan(source, {
    span: { first: 2, last: 10 },
    bytes: stored.length,
    pieceBytes,
    checkOf: (piece) => sha256Check(hashOf(piece)),
    wrong: async () => new Error("not what was stored"),
  });
  return new Response(body).text();
};

test("what is right is given", async () => {
  expect(await given("abcdefghijkl")).toBe("cdefghijk");
});

test.each([
  ["changed", "abcdeXghijkl"],
  ["changed beside the span", "abcdefghijkX"],
  ["cut behind a piece", "abcdefghij"],
  ["cut in a piece", "abcdefg"],
  ["cut by a byte that is not asked for", "abcdefghijk"],
  ["empty", ""],
])("what arrives %s is an error", async (_, arrives) => {
  await expect(given(arrives)).rejects.toThrow("not what was stored");
});
