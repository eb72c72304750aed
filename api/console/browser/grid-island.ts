/** Grids whose rows a statement gives: `<div class="grid" data-sql="…" data-limit="…">`. */
import { frame as says } from "../texts/texts.ts";
import { call, told } from "./api.ts";
import { element } from "./elements.ts";
import { type Rows, showGrid } from "./table.ts";

for (const place of document.querySelectorAll<HTMLElement>(".grid[data-sql]")) {
  place.replaceChildren(element("p", { className: "empty", textContent: says.loading }));
  const { sql, limit = "1000" } = place.dataset;
  call("POST", "/v1/sql?shape=full&numbers=string", { body: { sql, limit: Number(limit) } })
    .then(async (response) => showGrid(place, (await response.json()) as Rows))
    .catch((cause) =>
      place.replaceChildren(element("p", { className: "failure", role: "alert", textContent: told(cause) })),
    );
}
