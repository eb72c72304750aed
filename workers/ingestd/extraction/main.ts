/** The program of a child process that reads documents, tables and archives. */
import { serveChild } from "../../../runtime/child-main/child-main.ts";
import { takeTable } from "../table-formats/table-formats.ts";
import { unpack } from "./archive.ts";
import { extractor } from "./child.ts";
import { extract } from "./document.ts";

await serveChild(extractor, async () => ({
  verbs: { extract, unpack, take: ({ kind, ...asked }) => takeTable(kind, asked) },
}));
