/** Files as real writers make them come to the same blocks; what is no document is refused with what was expected. */
import { describe, expect, test } from "bun:test";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { ServiceError } from "../../../../runtime/errors/errors.ts";
import { readDocument } from "../../../../workers/ingestd/document-formats/document-formats.ts";

const fixtures = join(import.meta.dir, "../../../fixtures/ingestd/documents");
const textMax = 1 << 20;
const read = async (name: string, bytes?: Uint8Array | string, mediaType = "") =>
  readDocument(
    bytes === undefined
      ? new Uint8Array(await readFile(join(fixtures, name)))
      : typeof bytes === "string"
        ? Buffer.from(bytes)
        : bytes,
    { name, mediaType, textMax },
  );
const shape = async (name: string, bytes?: Uint8Array | string) =>
  (await read(name, bytes)).blocks.map(({ kind, text, level, page }) => [
    kind + (level ?? ""),
    text,
    ...(page === undefined ? [] : [page]),
  ]);

const jane = [
  ["heading1", "Jane Doe"],
  ["heading2", "Experience"],
  [
    "paragraph",
    "Welded ships at the yard in Gdańsk for seven years, TIG and MIG, from hull blocks to pipes.",
  ],
  ["list", "- Blueprints\n- Crane signals"],
  ["heading2", "Education"],
  ["table", "Year | School\n2011 | Politechnika"],
  ["paragraph", "References are given on request."],
];

describe("what LibreOffice writes", () => {
  test("DOCX and ODT, with title and author", async () => {
    for (const name of ["jane.docx", "jane.odt"]) {
      expect(await shape(name)).toEqual(jane as never);
      expect((await read(name)).facts).toMatchObject({ title: "Résumé of Jane Doe", author: "Jane Doe" });
    }
  });

  test("PDF, with pages; a table in it is its words", async () => {
    const { facts, blocks, media_type } = await read("jane.pdf");
    expect(media_type).toBe("application/pdf");
    expect(facts).toMatchObject({ title: "Résumé of Jane Doe", author: "Jane Doe", pages: 2 });
    expect(blocks.slice(0, 3).map(({ kind, text, page }) => [kind, text, page])).toEqual([
      ["heading", "Jane Doe", 1],
      ["heading", "Experience", 1],
      ["paragraph", jane[2]?.[1], 1],
    ] as never);
    expect(blocks.at(-1)).toMatchObject({ text: "References are given on request.", page: 2 });
  });

  test("PPTX: a slide is a page, notes are text", async () => {
    expect(await shape("deck.pptx")).toEqual([
      ["heading1", "Quarterly staffing", 1],
      ["paragraph", "Forklift drivers", 1],
      ["paragraph", "Welders", 1],
      ["heading1", "Outlook", 2],
      ["paragraph", "More nurses", 2],
      ["paragraph", "Say it slowly", 2],
    ]);
  });
});

test("mail: subject, sender, recipients, date, and attachments named", async () => {
  const { facts, blocks, warnings } = await read("ann.eml");
  expect(facts).toEqual({
    title: "Application: électricien",
    subject: "Application: électricien",
    sender: "Ann <ann@example.org>",
    author: "Ann <ann@example.org>",
    recipients: "Bob <bob@example.org>",
    date: "2024-02-05T09:00:00.000Z",
  });
  expect(blocks.map(({ text }) => text)).toEqual([
    "Application: électricien",
    "Dear Bob,",
    "I am an électricien from Québec.",
  ]);
  expect(warnings).toEqual(["attachments are not read: cv.pdf"]);
});

describe("text that is read as it is", () => {
  const rows: [name: string, bytes: string | Uint8Array, blocks: unknown[][]][] = [
    [
      "b.txt",
      "one\r\ntwo\r\n\r\n\r\nthree",
      [
        ["paragraph", "one\ntwo"],
        ["paragraph", "three"],
      ],
    ],
    ["c.txt", new Uint8Array([0xff, 0xfe, 0x41, 0, 0x42, 0]), [["paragraph", "AB"]]],
    ["d.txt", new Uint8Array([0x63, 0x61, 0x66, 0xe9]), [["paragraph", "café"]]],
    [
      "e.md",
      "# A *b*\n\n1. x\n2. y\n   - z\n\n```\ncode  it\n```\n\n| p | q |\n|---|---|\n| 1 | 2 |\n",
      [
        ["heading1", "A b"],
        ["list", "- x\n- y\n  - z"],
        ["code", "code  it"],
        ["table", "p | q\n1 | 2"],
      ],
    ],
    [
      "f.html",
      "<title>T</title><nav>no</nav><script>no</script><h3>H</h3>a<br>b<p>c <b>d</b></p><ul><li><p>e</p></ul><template>no</template>",
      [
        ["heading3", "H"],
        ["paragraph", "a\nb"],
        ["paragraph", "c d"],
        ["list", "- e"],
      ],
    ],
  ];
  for (const [name, bytes, blocks] of rows)
    test(name, async () => expect(await shape(name, bytes)).toEqual(blocks as never));

  test("another encoding is said", async () => {
    expect((await read("d.txt", new Uint8Array([0x63, 0xe9]))).warnings).toEqual([
      "read as windows-1252, since it is no UTF-8",
    ]);
  });
});

describe("refused", () => {
  const zeros = new Uint8Array(64);
  const rows: [
    what: string,
    name: string,
    bytes: string | Uint8Array | undefined,
    type: string,
    says: string,
  ][] = [
    ["an encrypted PDF", "locked.pdf", undefined, "unprocessable", "encrypted"],
    ["an empty file", "a.txt", "", "unprocessable", "empty"],
    ["blanks alone", "a.txt", " \n\n ", "unprocessable", "no text"],
    [
      "an old or encrypted Office file",
      "a.docx",
      Buffer.from("d0cf11e0a1b11ae1", "hex"),
      "unsupported_media_type",
      "without a password",
    ],
    ["an image", "a.pdf", Buffer.from("89504e470d0a1a0a", "hex"), "unsupported_media_type", "an image"],
    ["a binary file", "a.txt", zeros, "unsupported_media_type", "binary"],
    ["text of an unknown kind", "a.xyz", "hello", "unsupported_media_type", "does not tell"],
    ["a broken PDF", "a.pdf", "%PDF-1.7\nnothing", "unprocessable", "cannot be read as pdf"],
    ["half a DOCX", "a.docx", "half", "unprocessable", "zip is malformed"],
    ["no mail", "a.eml", "hello", "unprocessable", "no mail"],
    ["tags nested without end", "a.html", "<div>".repeat(100_000), "unprocessable", "nested"],
    ["more text than is taken", "a.txt", "x".repeat(textMax + 1), "too_large", "longer than"],
  ];
  for (const [what, name, given, type, says] of rows)
    test(what, async () => {
      const docx = await readFile(join(fixtures, "jane.docx"));
      const bytes = given === "half" ? docx.subarray(0, docx.length / 2) : given;
      const error = await read(name, bytes as Uint8Array).catch((cause) => cause);
      expect(error).toBeInstanceOf(ServiceError);
      expect(error.type).toBe(type);
      expect(error.message).toContain(says);
    });
});
