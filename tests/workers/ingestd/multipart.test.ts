import { describe, expect, test } from "bun:test";
import { multipart } from "../../../workers/ingestd/multipart.ts";
import { seeded } from "../../support/seeded.ts";

async function* inPieces(bytes: Buffer, size: () => number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; ) {
    const length = size();
    yield Buffer.from(bytes.subarray(at, at + length));
    at += length;
  }
}

interface Got {
  name: string;
  filename?: string;
  data: string;
}

async function read(body: string | Buffer, contentType: string, size = () => 7): Promise<Got[]> {
  const got: Got[] = [];
  for await (const { name, filename, body: part } of multipart(
    inPieces(Buffer.from(body), size),
    contentType,
  )) {
    let data = "";
    for await (const chunk of part) data += Buffer.from(chunk).toString("latin1");
    got.push({ name, ...(filename !== undefined && { filename }), data });
  }
  return got;
}

const form = "multipart/form-data; boundary=B";
const part = (headers: string, data: string) => `--B\r\n${headers}\r\n\r\n${data}\r\n`;
const file = (rest: string) => `Content-Disposition: form-data; name="file"${rest}`;

describe("multipart", () => {
  test("gives names, file names and bytes, whatever the order of headers", async () => {
    const body = `${part(`Content-Type: text/csv\r\n${file('; filename="a \\"b\\".csv"')}`, "a,b\r\n")}--B--`;
    expect(await read(body, form)).toEqual([{ name: "file", filename: 'a "b".csv', data: "a,b\r\n" }]);
  });

  test("reads filename* before filename, quoted boundaries, a preamble and an epilogue", async () => {
    const body = `hello\r\n${part(file("; filename=x; filename*=UTF-8''caf%C3%A9.csv"), "1")}--B--\r\nbye`;
    expect(await read(body, 'Multipart/Form-Data; charset=x; boundary="B"')).toEqual([
      { name: "file", filename: "café.csv", data: "1" },
    ]);
  });

  test("an empty form has no parts, an empty part no bytes", async () => {
    expect(await read("--B--", form)).toEqual([]);
    expect(await read(`${part(file(""), "")}--B--`, form)).toEqual([{ name: "file", data: "" }]);
  });

  const refused: [name: string, body: string, contentType?: string][] = [
    ["no boundary parameter", "--B--", "multipart/form-data"],
    ["a boundary that is too long", "--B--", `multipart/form-data; boundary=${"x".repeat(71)}`],
    ["another boundary in the body", "--C\r\n\r\n--C--"],
    ["an empty body", ""],
    ["a body cut in the data", part(file(""), "abc").slice(0, -5)],
    ["a body without the closing boundary", part(file(""), "abc")],
    ["a body cut inside the closing boundary", `${part(file(""), "abc")}--B-`],
    ["a part without Content-Disposition", `${part("Content-Type: text/csv", "abc")}--B--`],
    ["a part that is an attachment", `${part('Content-Disposition: attachment; name="file"', "x")}--B--`],
    ["a part without a name", `${part("Content-Disposition: form-data", "abc")}--B--`],
    ["headers that do not end", `--B\r\n${"x".repeat(20_000)}`],
    ["a preamble that does not end", "x".repeat(40_000)],
    ["filename* that is not UTF-8", `${part(file("; filename*=UTF-8''%ff"), "abc")}--B--`],
    ["text after a boundary", "--Bxx\r\n\r\n--B--"],
  ];
  test.each(refused)("refuses %s", async (_, body, contentType = form) => {
    await expect(read(body, contentType)).rejects.toMatchObject({ type: "bad_request" });
  });

  test("random forms in random pieces come out whole; cut ones never do", async () => {
    const random = seeded(7);
    const below = (limit: number) => Math.floor(random() * limit);
    const pieces = ["\r\n", "--", "-", "B", "\r\n--", "\r", "\n", "abc", '"', ";", "\r\n-", "é"];
    for (let round = 0; round < 800; round++) {
      const parts = Array.from({ length: 1 + below(3) }, (_, index) => {
        const data = Array.from({ length: below(60) }, () => pieces[below(pieces.length)]).join("");
        return {
          name: `n${index}`,
          data: data.includes("\r\n--B") || data.startsWith("--B") ? "safe" : data,
        };
      });
      const body = Buffer.from(
        `${parts.map(({ name, data }) => part(`Content-Disposition: form-data; name="${name}"`, data)).join("")}--B--\r\n`,
      );
      const cut = random() < 0.3 ? below(body.length - 6) : body.length;
      const got = read(body.subarray(0, cut), form, () => 1 + below(30));
      if (cut < body.length) await expect(got).rejects.toMatchObject({ type: "bad_request" });
      else
        expect(await got).toEqual(
          parts.map(({ name, data }) => ({ name, data: Buffer.from(data).toString("latin1") })),
        );
    }
  });
});
