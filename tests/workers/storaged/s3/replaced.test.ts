/** Spans of objects that are replaced between the two requests that they take: what is told and what is given is of one object. */
import { expect, test } from "bun:test";
import { parseRange } from "../../../../workers/storaged/bucket/bucket.ts";
import { createCorruptions } from "../../../../workers/storaged/bucket/corruptions.ts";
import { openVerified } from "../../../../workers/storaged/s3/verified-read.ts";

/** A server whose answers are of these contents, one after the other; with another span than asked for where one is told. */
const serverOf = (contents: string[]) => ({
  expect: async ({ method, key }: { method: string; key: string }) => {
    if (key.startsWith(".lakehouse/")) return { status: 404, headers: new Headers(), text: "" };
    const [content = "", span = `1-2/${content.length}`] = (contents.shift() ?? "").split(" ");
    const headers = new Headers({
      etag: `"${content}"`,
      "content-length": "4",
      date: "Thu, 01 Jan 2026 00:00:00 GMT",
      "content-range": `bytes ${span}`,
      ...(content === "sums" && {
        "x-amz-meta-lakehouse-sha256": "in-parts",
        "x-amz-meta-lakehouse-put": "a-mark",
      }),
    });
    const [first = 0, last = 0] = span.split(/\D/).map(Number);
    const body = new Blob([content.slice(first, last + 1)]).stream();
    return { status: method === "HEAD" ? 200 : 206, headers, body, text: "" };
  },
});

test.each([
  ["of the same length", ["olds", "news", "news", "news"]],
  ["of another length", ["olds", "longer", "news", "news"]],
  ["whose checksums have gone with it", ["sums", "news", "news"]],
  ["of which another span came first", ["news", "news 0-1/4", "news", "news"]],
])("one %s", async (_, contents) => {
  const reader = {
    name: "far",
    connection: serverOf(contents) as never,
    corruptions: createCorruptions("far"),
    etagsAreMd5: async () => false,
  };
  const range = parseRange("bytes=1-2");
  const { info, body } = await openVerified(reader, { key: "a", range }, new AbortController().signal);
  expect([info.etag, await new Response(body).text()]).toEqual(["news", "ew"]);
});

test("one that is replaced again and again is a failure of the server", async () => {
  const connection = serverOf(["a", "b", "c", "d", "e", "f"].map((letter) => letter.repeat(4))) as never;
  const reader = {
    name: "far",
    connection,
    corruptions: createCorruptions("far"),
    etagsAreMd5: async () => false,
  };
  const opened = openVerified(
    reader,
    { key: "a", range: parseRange("bytes=1-2") },
    new AbortController().signal,
  );
  await expect(opened).rejects.toMatchObject({ type: "bad_gateway" });
});

test("one that was corrupt and is gone is corrupt no more", async () => {
  const gone = { status: 404, headers: new Headers(), text: "<Error><Code>NoSuchKey</Code></Error>" };
  const corruptions = createCorruptions("far");
  corruptions.found("a", "its bytes are others");
  const connection = { expect: async () => gone } as never;
  const reader = { name: "far", connection, corruptions, etagsAreMd5: async () => false };
  const opened = openVerified(reader, { key: "a" }, new AbortController().signal);
  await expect(opened).rejects.toMatchObject({ type: "not_found" });
  expect(corruptions.has("a")).toBe(false);
});
