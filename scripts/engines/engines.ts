/**
 * `bun run engines [name…] [--gateway URL]`: engines of others, each installed from its registry into a folder of its own
 * and run as it is, on tables of a product that is started here, or of the one at URL (token from AUTH_TOKEN). Prints a
 * line a check. Those that take minutes to install are run when they are named.
 */
import { runCommand } from "../smoke-product/smoke-product.ts";
import { engines, heavy } from "./all.ts";

await runCommand({
  kind: "engine",
  nameWidth: 10,
  all: engines,
  heavy,
  ending: ({ failed }) =>
    failed === 0 ? "engines: all read what is here" : `engines: ${failed} checks failed`,
});
