/** Scripts, styles and the sample that pages need, all from here: islands are bundled when they are first asked for. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { bufferedResponse } from "../../../runtime/bodies/bodies.ts";
import { fail } from "../../../runtime/errors/errors.ts";
import type { Face } from "../../../runtime/http/http.ts";
import { root } from "../../../runtime/program/program.ts";
import { addPage } from "../routes/routes.ts";

const folder = join(root, "api/console/assets");
const [script, styleSheet] = ["text/javascript; charset=utf-8", "text/css; charset=utf-8"];

interface Asset {
  type: string;
  bytes: () => Promise<Uint8Array>;
}

/** An island as one file, with what it imports. */
const island = (path: string): Asset => ({
  type: script,
  bytes: async () => {
    const { outputs } = await Bun.build({
      entrypoints: [join(folder, path)],
      target: "browser",
      format: "esm",
      minify: true,
    });
    return new Uint8Array(await (outputs[0] as Blob).arrayBuffer());
  },
});
const file = (type: string, path: string): Asset => ({
  type,
  bytes: () => readFile(join(folder, path)),
});
const packaged = (type: string, specifier: string): Asset => ({
  type,
  bytes: () => readFile(Bun.resolveSync(specifier, folder)),
});

const assets: ReadonlyMap<string, Asset> = new Map([
  ["style.css", file(styleSheet, "../browser/style.css")],
  ["uplot.css", packaged(styleSheet, "uplot/dist/uPlot.min.css")],
  ["page.js", island("../browser/page-island.ts")],
  ["grid.js", island("../browser/grid-island.ts")],
  ["sql.js", island("../sql/editor-island.ts")],
  ["format.js", island("../sql/format-island.ts")],
  ["upload.js", island("../upload/upload-island.ts")],
  ["chat.js", island("../chat/chat-island.ts")],
  ["erase.js", island("../erasures/erase-island.ts")],
  ["home.js", island("../home/progress-island.ts")],
  ["checks.js", island("../system/checks-island.ts")],
  ["memory.js", island("../memory/as-of-island.ts")],
  ["shortlist.js", island("../copilot/shortlist-island.ts")],
  ["workers.csv", file("text/csv; charset=utf-8", "../home/workers.csv")],
]);

/** What a browser kept of an earlier program is asked for anew. */
const started = Date.now().toString(36);

/** The address of an asset. */
export const asset = (name: string): string => `/console/assets/${name}?v=${started}`;

export function mountAssets(face: Face): void {
  const made = new Map<string, Promise<Uint8Array>>();
  addPage(
    face,
    "/console/assets/:name",
    async (request) => {
      const name = new URL(request.url).pathname.split("/").at(-1) ?? "";
      const found = assets.get(name);
      if (!found) throw fail("not_found", `the console has no asset '${name}'`);
      const bytes = made.get(name) ?? found.bytes();
      made.set(name, bytes);
      bytes.catch(() => made.delete(name));
      const headers = {
        "content-type": found.type,
        "cache-control": "public, max-age=31536000, immutable",
        "x-content-type-options": "nosniff",
      };
      return bufferedResponse(await bytes, { headers });
    },
    { open: true },
  );
}
