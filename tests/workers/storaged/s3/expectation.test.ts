/** What the etag of an object that others stored is worth: the MD5 of its bytes, or nothing. */
import { expect, test } from "bun:test";
import { expectationOf } from "../../../../workers/storaged/s3/verified-read.ts";

const etag = new Bun.CryptoHasher("md5").update("stored").digest("hex");

test.each<[string, string | undefined, boolean, boolean]>([
  ["plain", undefined, true, true],
  ["encrypted with the server's own keys", "AES256", true, true],
  ["encrypted with keys of callers", "aws:kms", true, false],
  ["of a server whose etags are not MD5", undefined, false, false],
])("%s", async (_, encryption, etagsAreMd5, isKnown) => {
  const s3 = { name: "far", connection: {} as never, etagsAreMd5: async () => etagsAreMd5 };
  const headers = new Headers(encryption === undefined ? {} : { "x-amz-server-side-encryption": encryption });
  const info = { key: "a", bytes: 6, etag, last_modified: "2026-01-01T00:00:00.000Z" };
  const expected = await expectationOf(s3, { info, headers }, new AbortController().signal);
  const check = expected?.whole();
  check?.update(Buffer.from("stored"));
  expect(check?.holds()).toBe(isKnown ? true : undefined);
});
