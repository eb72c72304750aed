import { describe, expect, test } from "bun:test";
import { fail } from "../../../../runtime/errors/errors.ts";
import { formFiles } from "../../../../workers/ingestd/receiving/multipart.ts";
import { seeded } from "../../../support/campaigns/seeded.ts";

async function* inPieces(bytes: Buffer, size: () => number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; ) {
    const length = size();
    yield Buffer.from(bytes.subarray(at, at + length));
    at += length;
  }
}

async function readAll(body: string | Buffer, contentType: string, size = () => 7) {
  const files: { filename?: string; data: string }[] = [];
  for await (const { chunks, filename } of formFiles(inPieces(Buffer.from(body), size), contentType)) {
    let data = "";
    for await (const chunk of chunks) data += Buffer.from(chunk).toString("latin1");
    files.push({ ...(filename !== undefined && { filename }), data });
  }
  return files;
}
const read = async (...given: Parameters<typeof readAll>) => (await readAll(...given))[0];

const form = "multipart/form-data; boundary=B";
const part = (headers: string, data: string) => `--B\r\n${headers}\r\n\r\n${data}\r\n`;
const file = (rest = "") => `Content-Disposition: form-data; name="file"${rest}`;

describe("multipart", () => {
  test("gives file name and bytes, whatever the order of headers", async () => {
    const body = `${part(`Content-Type: text/csv\r\n${file('; filename="a \\"b\\".csv"')}`, "a,b\r\n")}--B--`;
    expect(await read(body, form)).toEqual({ filename: 'a "b".csv', data: "a,b\r\n" });
  });

  test("reads filename* before filename, quoted boundaries, a preamble and an epilogue", async () => {
    const body = `hello\r\n${part(file("; filename=x; filename*=UTF-8''caf%C3%A9.csv"), "1")}--B--\r\nbye`;
    expect(await read(body, 'Multipart/Form-Data; charset=x; boundary="B"')).toEqual({
      filename: "café.csv",
      data: "1",
    });
  });

  test("an empty file has no bytes", async () => {
    expect(await read(`${part(file(), "")}--B--`, form)).toEqual({ data: "" });
  });

  test("two files come one after the other", async () => {
    const body = `${part(file('; filename="a"'), "1")}${part(file('; filename="b"'), "2")}--B--`;
    expect(await readAll(body, form)).toEqual([
      { filename: "a", data: "1" },
      { filename: "b", data: "2" },
    ]);
  });

  const refused: [name: string, body: string, contentType?: string][] = [
    ["no boundary parameter", "--B--", "multipart/form-data"],
    ["a form without parts", "--B--"],
    ["another boundary in the body", "--C\r\n\r\n--C--"],
    ["an empty body", ""],
    ["a body cut in the data", part(file(), "abc").slice(0, -5)],
    ["a body without the closing boundary", part(file(), "abc")],
    ["a body cut inside the closing boundary", `${part(file(), "abc")}--B-`],
    ["a part without Content-Disposition", `${part("Content-Type: text/csv", "abc")}--B--`],
    ["a part that is an attachment", `${part('Content-Disposition: attachment; name="file"', "x")}--B--`],
    ["headers that do not end", `--B\r\n${"x".repeat(20_000)}`],
    ["a preamble that does not end", "x".repeat(40_000)],
    ["text after a boundary", "--Bxx\r\n\r\n--B--"],
  ];
  test.each(refused)("refuses %s", async (_, body, contentType = form) => {
    await expect(read(body, contentType)).rejects.toMatchObject({ type: "bad_request" });
  });
  const other = part('Content-Disposition: form-data; name="x"', "1");
  const fields: [name: string, body: string][] = [
    ["before the file", `${other}${part(file(), "a")}--B--`],
    ["behind the file", `${part(file(), "a")}${other}--B--`],
    ["without a name", `${part("Content-Disposition: form-data", "abc")}--B--`],
  ];
  test.each(fields)("refuses another field %s", async (_, body) => {
    await expect(read(body, form)).rejects.toMatchObject({ type: "unknown_field" });
  });

  const head = Buffer.from(`--B\r\n${file()}\r\n\r\n`);

  test("whoever stops reading lets go of the body, of which little was read ahead", async () => {
    let bytes = 0;
    let isClosed = false;
    async function* endless() {
      try {
        yield head;
        for (;;) {
          bytes += 65_536;
          yield Buffer.alloc(65_536, "a");
        }
      } finally {
        isClosed = true;
      }
    }
    for await (const { chunks } of formFiles(endless(), form)) {
      for await (const chunk of chunks) if (chunk.length > 0) break;
      break;
    }
    expect(isClosed).toBe(true);
    expect(bytes).toBeLessThan(16 * 1024 * 1024);
  });

  test.each([
    ["in the file", [head, Buffer.alloc(65_536)]],
    ["before it", []],
  ])("a body that fails %s says why", async (_, pieces) => {
    async function* failing() {
      yield* pieces;
      throw fail("too_large", "enough");
    }
    const reading = (async () => {
      for await (const { chunks } of formFiles(failing(), form)) for await (const _ of chunks);
    })();
    await expect(reading).rejects.toMatchObject({ type: "too_large", message: "enough" });
  });

  test("random files in random pieces come out whole; cut ones never do", async () => {
    const random = seeded(7);
    const below = (limit: number) => Math.floor(random() * limit);
    const pieces = ["\r\n", "--", "-", "B", "\r\n--", "\r", "\n", "abc", '"', ";", "\r\n-", "é"];
    for (let round = 0; round < 800; round++) {
      const text = Array.from({ length: below(60) }, () => pieces[below(pieces.length)]).join("");
      const data = text.includes("\r\n--B") || text.startsWith("--B") ? "safe" : text;
      const body = Buffer.from(`${part(file(), data)}--B--\r\n`);
      const cut = random() < 0.3 ? below(body.length - 6) : body.length;
      const got = read(body.subarray(0, cut), form, () => 1 + below(30));
      if (cut < body.length) await expect(got).rejects.toMatchObject({ type: "bad_request" });
      else expect(await got).toEqual({ data: Buffer.from(data).toString("latin1") });
    }
  });
});
