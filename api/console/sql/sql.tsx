/** @jsxImportSource hono/jsx */
/** SQL: an editor, its results, and pictures of them. */
import { asset } from "../assets/assets.ts";
import { Layout, type PageContext } from "../parts/parts.ts";
import { sql as says } from "../texts/texts.ts";

export async function sql({ path, nonce }: PageContext) {
  return (
    <Layout title={says.title} at={path} nonce={nonce} islands={["sql.js"]} styles={["uplot.css"]}>
      <div id="tabs" role="tablist" aria-label={says.statements}></div>
      <div id="editor"></div>
      <div class="row" id="parameters"></div>
      <p class="row">
        <button type="button" id="run" class="primary" aria-keyshortcuts="Control+Enter">
          {says.run} <kbd>{says.runKeys}</kbd>
        </button>
        <button type="button" id="cancel" disabled>
          {says.cancel}
        </button>
        <button type="button" id="explain">
          {says.explain}
        </button>
        <button type="button" id="format" data-script={asset("format.js")}>
          {says.format}
        </button>
        <label>
          {says.atMost}{" "}
          <select id="limit">
            {says.limits.map(([value, words]) => (
              <option value={value}>{words}</option>
            ))}
          </select>
        </label>
        <label>
          {says.download}{" "}
          <select id="download">
            <option value="">…</option>
            {says.formats.map(([value, words]) => (
              <option value={value}>{words}</option>
            ))}
          </select>
        </label>
        <button type="button" id="share">
          {says.share}
        </button>
        <label>
          {says.saved}{" "}
          <select id="saved">
            <option value="">…</option>
          </select>
        </label>
        <button type="button" id="save">
          {says.save}
        </button>
        <button type="button" id="saved-drop" class="danger" disabled>
          {says.drop}
        </button>
        <label>
          {says.earlier}{" "}
          <select id="history">
            <option value="">…</option>
          </select>
        </label>
      </p>
      <p id="told" role="status" aria-live="polite" class="quiet"></p>
      <div id="failed" role="alert"></div>
      <div class="row" id="chart-fields" hidden>
        <label>
          {says.chart}{" "}
          <select id="chart-kind">
            {says.charts.map(([value, words]) => (
              <option value={value}>{words}</option>
            ))}
          </select>
        </label>
        <label>
          {says.x} <select id="chart-x"></select>
        </label>
        <label>
          {says.y} <select id="chart-y"></select>
        </label>
      </div>
      <div id="chart"></div>
      <div class="grid" id="result" data-label={says.result}></div>
      <div id="plan"></div>
    </Layout>
  );
}
