/** @jsxImportSource hono/jsx */
/** Upload: files are looked at first, and loaded as they are meant. */
import { Layout, type PageContext } from "../parts/parts.ts";

export async function upload({ path, nonce }: PageContext) {
  return (
    <Layout title="Upload" at={path} nonce={nonce} islands={["upload.js"]}>
      <label class="drop" id="drop">
        <strong>Drop files here, or choose them.</strong>
        <span class="quiet">
          CSV, NDJSON or Parquet, also with gzip or zstd, become tables. PDF, DOCX, ODT, PPTX, HTML, Markdown,
          text and mail, also in zip and tar, become a corpus to search. Nothing is stored before you load it.
        </span>
        <input type="file" id="files" multiple />
      </label>
      <div id="uploads" aria-live="polite"></div>
    </Layout>
  );
}
