/** The console: pages for people, at the gateway's own address. It reads and does what `/v1` can, and nothing else. */
import type { Face } from "../../runtime/http/http.ts";
import { mountAssets } from "./assets/assets.ts";
import { pages } from "./pages.ts";
import { nonceOf, pageResponse } from "./parts/parts.ts";
import { addPage } from "./routes/routes.ts";
import { apiOf, mountSession } from "./session/session.ts";

/** Adds every page, its assets, and signing in and out. */
export function mountConsole(face: Face): void {
  mountAssets(face);
  mountSession(face);
  for (const [pattern, page] of Object.entries(pages))
    addPage(face, pattern, async (request, { requestId, signal }) => {
      const url = new URL(request.url);
      const nonce = nonceOf();
      const html = await page({
        api: apiOf(face, { requestId, signal }),
        query: url.searchParams,
        name: decodeURIComponent(url.pathname.split("/")[2] ?? ""),
        isPart: request.headers.has("hx-request"),
        path: url.pathname,
        origin: url.origin,
        nonce,
      });
      return pageResponse(String(html), nonce);
    });
}
