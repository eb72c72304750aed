/**
 * `bun run clients [name…] [--gateway URL]`: clients of others, each installed from its registry and run as it is, against
 * a product that is started here, or the one at URL (token from AUTH_TOKEN). Prints a line a check.
 * `psql` is taken as it is there (Debian: postgresql-client); Python's clients come from PyPI by pip, Java's from Maven Central by
 * mvn, Node's from npm. Those of PostgreSQL start products of their own.
 */
import { runCommand } from "../smoke-product/smoke-product.ts";
import { clients } from "./all.ts";

await runCommand({
  kind: "client",
  nameWidth: 12,
  all: clients,
  ending: ({ failed }) =>
    failed === 0 ? "clients: all work with what is here" : `clients: ${failed} checks failed`,
});
