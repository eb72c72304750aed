/** @jsxImportSource hono/jsx */
/** Upload: files are looked at first, and loaded as they are meant. */
import { Layout, type PageContext } from "../parts/parts.ts";
import { upload as says } from "../texts/texts.ts";

export async function upload({ path, nonce }: PageContext) {
  return (
    <Layout title={says.title} at={path} nonce={nonce} islands={["upload.js"]}>
      <label class="drop" id="drop">
        <strong>{says.drop}</strong>
        <span class="quiet">{says.dropHelp}</span>
        <input type="file" id="files" multiple />
      </label>
      <button type="button" id="load-all" hidden>
        {says.loadAll}
      </button>
      <div id="uploads" aria-live="polite"></div>
    </Layout>
  );
}
