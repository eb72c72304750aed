/**
 * `bun run smoke [name…] [--mode one|apart|mixed] [--gateway URL]`: the acceptance smokes, each against a product that
 * it starts itself on free ports and a directory of its own (in one process, a process a service, or some together), or
 * against the one at URL (token from AUTH_TOKEN). Prints a line a check.
 */
import { runCommand } from "../smoke-product/smoke-product.ts";
import { smokes } from "./all.ts";

await runCommand({
  kind: "smoke",
  nameWidth: 13,
  all: smokes,
  inModes: true,
  ending: ({ passed, failed, failing }) =>
    `smoke: ${passed} checks passed, ${failed} failed${failing.length > 0 ? ` in ${failing.join(", ")}` : ""}`,
});
