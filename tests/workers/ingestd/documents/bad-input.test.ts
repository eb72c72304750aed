/** Every bad request about documents has an answer that says what was expected, and leaves nothing behind. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { type ApiCase, refused, runCases } from "../../../support/clients/api-case.ts";
import { type DocumentsStack, startDocumentsStack } from "../../../support/corpora/documents.ts";

let stack: DocumentsStack;
beforeAll(async () => {
  stack = await startDocumentsStack({ max_document_bytes: 2000, max_documents: 2 });
  await stack.load("known", [{ name: "a.txt", bytes: "a welder" }]);
  const body = "id,name\n1,a\n";
  await stack.ask("POST", "/ingest?name=plain", { body });
});
afterAll(() => stack.stop());

const form = (...files: [name: string, text: string][]): ApiCase["body"] => {
  const data = new FormData();
  for (const [name, text] of files) data.append("file", new Blob([text]), name);
  return data as never;
};
const post = (query: string, body: ApiCase["body"] = "a welder"): Partial<ApiCase> =>
  ({ method: "POST", path: `/documents${query}`, body }) as Partial<ApiCase>;
const at = (method: string, path: string): Partial<ApiCase> => ({ method, path }) as Partial<ApiCase>;
const file = "?corpus=new&file=a.txt";

runCases(
  [
    refused("no corpus", post("?file=a.txt"), "invalid_field", "corpus"),
    refused("a corpus with a dash", post("?corpus=a-b&file=a.txt"), "invalid_field", "corpus"),
    refused("a corpus that begins with a digit", post("?corpus=1a&file=a.txt"), "invalid_field", "corpus"),
    refused("a corpus kept for rejects", post("?corpus=a__rejects&file=a.txt"), "invalid_name", "__rejects"),
    refused("an unknown parameter", post(`${file}&model=x`), "unknown_field", "model"),
    refused("a body without a name", post("?corpus=new"), "invalid_field", "file", "report.pdf"),
    refused("a name that leads out", post("?corpus=new&file=../a.txt"), "unprocessable", ".."),
    refused("an id with control characters", post(`${file}&id=a%00`), "invalid_field", "id"),
    refused("an id that leads out", post(`${file}&id=../x`), "invalid_field", ".."),
    refused(
      "metadata that is no JSON",
      post(`${file}&metadata={`),
      "invalid_field",
      "metadata",
      "JSON object",
    ),
    refused("metadata that is no object", post(`${file}&metadata=[1]`), "invalid_field", "metadata"),
    refused("chunks of no size", post(`${file}&chunk_size=0`), "invalid_field", "chunk_size"),
    refused("chunks that are words", post(`${file}&chunk_size=big`), "invalid_field", "chunk_size"),
    refused(
      "more overlap than half",
      post(`${file}&chunk_size=200&chunk_overlap=150`),
      "invalid_field",
      "half",
    ),
    refused("a negative overlap", post(`${file}&chunk_overlap=-1`), "invalid_field", "chunk_overlap"),
    refused("an empty file", post(file, ""), "unprocessable", "empty"),
    refused("a file of no known kind", post("?corpus=new&file=a.xyz"), "unprocessable", "expected PDF, DOCX"),
    refused("a file too large", post(file, "x".repeat(2001)), "unprocessable", "max_document_bytes"),
    refused(
      "three files",
      post("?corpus=new", form(["a.txt", "a"], ["b.txt", "b"], ["c.txt", "c"])),
      "too_large",
      "max_documents",
    ),
    refused(
      "an id for two files",
      post("?corpus=new&id=x", form(["a.txt", "a"], ["b.txt", "b"])),
      "unprocessable",
      "id",
    ),
    refused("a form with a file name beside it", post(file, form(["a.txt", "a"])), "invalid_field", "file"),
    refused(
      "a dataset that is none of documents",
      post("?corpus=plain&file=a.txt"),
      "conflict",
      "no corpus of documents",
    ),
    refused("a list of no corpus", at("GET", "/documents"), "invalid_field", "corpus"),
    refused(
      "a list of one that is not there",
      at("GET", "/documents?corpus=nowhere"),
      "not_found",
      "nowhere",
    ),
    refused("a list of a dataset that is none", at("GET", "/documents?corpus=plain"), "conflict", "plain"),
    refused(
      "a page of no size",
      at("GET", "/documents?corpus=known&page_size=0"),
      "invalid_field",
      "page_size",
    ),
    refused(
      "a token of somebody's",
      at("GET", "/documents?corpus=known&page_token=garbage"),
      "invalid_field",
      "page_token",
    ),
    refused("a document that is not there", at("GET", "/documents/b.txt?corpus=known"), "not_found", "b.txt"),
    refused("an unknown form", at("GET", "/documents/a.txt?corpus=known&as=pdf"), "invalid_field", "as"),
    refused("a document of no corpus", at("GET", "/documents/a.txt"), "invalid_field", "corpus"),
    refused(
      "deleting what is not there",
      at("DELETE", "/documents/b.txt?corpus=known"),
      "not_found",
      "b.txt",
    ),
    refused("deleting of no corpus", at("DELETE", "/documents/a.txt"), "invalid_field", "corpus"),
    refused(
      "deleting from a dataset that is none",
      at("DELETE", "/documents/a.txt?corpus=plain"),
      "conflict",
      "plain",
    ),
    refused(
      "deleting from one that is not there",
      at("DELETE", "/documents/a.txt?corpus=nowhere"),
      "not_found",
      "nowhere",
    ),
  ] as ApiCase[],
  () => stack.send,
);

test("nothing of it stays", async () => {
  expect((await stack.catalogd.list({})).datasets.map(({ name }) => name)).toEqual(["known", "plain"]);
  expect((await stack.storaged.list({ prefix: "documents/new/" })).objects).toEqual([]);
  expect(await stack.rows("SELECT text FROM known")).toEqual([{ text: "a welder" }]);
});
