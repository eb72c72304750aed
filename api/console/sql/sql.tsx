/** @jsxImportSource hono/jsx */
/** SQL: an editor, its results, and pictures of them. */
import { Layout, type PageContext } from "../parts/parts.ts";

export async function sql({ path, nonce }: PageContext) {
  return (
    <Layout title="SQL" at={path} nonce={nonce} islands={["sql.js"]} styles={["uplot.css"]}>
      <div id="tabs" role="tablist" aria-label="Statements"></div>
      <div id="editor"></div>
      <div class="row" id="parameters"></div>
      <p class="row">
        <button type="button" id="run" class="primary" aria-keyshortcuts="Control+Enter">
          Run <kbd>Ctrl Enter</kbd>
        </button>
        <button type="button" id="cancel" disabled>
          Cancel
        </button>
        <button type="button" id="explain">
          Explain
        </button>
        <label>
          At most{" "}
          <select id="limit">
            <option value="1000">1,000 rows</option>
            <option value="100000">100,000 rows</option>
            <option value="1000000">1,000,000 rows</option>
          </select>
        </label>
        <label>
          Download{" "}
          <select id="download">
            <option value="">…</option>
            <option value="text/csv csv">CSV</option>
            <option value="application/json json">JSON</option>
            <option value="application/x-ndjson ndjson">NDJSON</option>
            <option value="application/vnd.apache.parquet parquet">Parquet</option>
            <option value="application/vnd.apache.arrow.stream arrows">Arrow</option>
          </select>
        </label>
        <button type="button" id="share">
          Copy a link
        </button>
        <label>
          Earlier{" "}
          <select id="history">
            <option value="">…</option>
          </select>
        </label>
      </p>
      <p id="told" role="status" aria-live="polite" class="quiet"></p>
      <div id="failed" role="alert"></div>
      <div class="row" id="chart-fields" hidden>
        <label>
          Chart{" "}
          <select id="chart-kind">
            <option value="">none</option>
            <option value="line">line</option>
            <option value="bar">bar</option>
            <option value="scatter">scatter</option>
            <option value="histogram">histogram</option>
          </select>
        </label>
        <label>
          x <select id="chart-x"></select>
        </label>
        <label>
          y <select id="chart-y"></select>
        </label>
      </div>
      <div id="chart"></div>
      <div class="grid" id="result" data-label="Result"></div>
      <div id="plan"></div>
    </Layout>
  );
}
