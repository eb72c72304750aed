/**
 * `bun run engines [name…] [--gateway URL]`: engines of others, each installed from its registry into a folder of its own
 * and run as it is, on tables of a product that is started here, or of the one at URL (token from AUTH_TOKEN). Prints a
 * line a check. Those that take minutes to install are run when they are named.
 */
import { parseArgs } from "node:util";
import { runSmoke } from "../smoke-product/smoke-product.ts";
import { engines, heavy } from "./all.ts";

const print = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    options: { gateway: { type: "string" } },
    allowPositionals: true,
  });
  const unknown = positionals.find((name) => !Object.hasOwn(engines, name));
  if (unknown !== undefined) {
    const names = Object.entries(engines).map(([name, { about }]) => `  ${name.padEnd(10)} ${about}`);
    print(`there is no engine '${unknown}'; expected some of\n${names.join("\n")}`);
    return 2;
  }
  let failed = 0;
  for (const [name, engine] of Object.entries(engines)) {
    if (positionals.length > 0 ? !positionals.includes(name) : Object.hasOwn(heavy, name)) continue;
    print(`${name}: ${engine.about}`);
    const gateway = values.gateway?.replace(/\/$/, "");
    const outcome = await runSmoke(name, engine, {
      gateway,
      token: process.env.AUTH_TOKEN,
      mode: "one",
      print,
    });
    failed += outcome.failed;
  }
  print(failed === 0 ? "\nengines: all read what is here" : `\nengines: ${failed} checks failed`);
  return failed === 0 ? 0 : 1;
}

try {
  process.exit(await main());
} catch (cause) {
  print(`${cause instanceof Error ? cause.message : cause}`);
  process.exit(2);
}
