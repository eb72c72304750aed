/**
 * `bun run smoke [name…] [--mode one|apart|mixed] [--gateway URL]`: the acceptance smokes, each against a product that
 * it starts itself on free ports and a directory of its own (in one process, a process a service, or some together), or
 * against the one at URL (token from AUTH_TOKEN). Prints a line a check.
 */
import { parseArgs } from "node:util";
import { modes, runSmoke } from "../smoke-product/smoke-product.ts";
import { smokes } from "./all.ts";

const print = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

const names = (): string =>
  Object.entries(smokes)
    .map(([name, { about }]) => `  ${name.padEnd(13)} ${about}`)
    .join("\n");

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    options: { gateway: { type: "string" }, mode: { type: "string", default: "one" } },
    allowPositionals: true,
  });
  const unknown = positionals.find((name) => !Object.hasOwn(smokes, name));
  if (unknown !== undefined) {
    print(`there is no smoke '${unknown}'; expected some of\n${names()}`);
    return 2;
  }
  const mode = modes.find((each) => each === values.mode);
  if (mode === undefined) {
    print(`--mode: expected one of ${modes.join(", ")}, got '${values.mode}'`);
    return 2;
  }
  const chosen = Object.entries(smokes).filter(
    ([name]) => positionals.length === 0 || positionals.includes(name),
  );
  const failing: string[] = [];
  let passed = 0;
  let failed = 0;
  for (const [name, smoke] of chosen) {
    print(`${name}: ${smoke.about}`);
    const gateway = values.gateway?.replace(/\/$/, "");
    const outcome = await runSmoke(name, smoke, { gateway, token: process.env.AUTH_TOKEN, mode, print });
    passed += outcome.passed;
    failed += outcome.failed;
    if (outcome.failed > 0) failing.push(name);
  }
  print(
    `\nsmoke: ${passed} checks passed, ${failed} failed${failing.length > 0 ? ` in ${failing.join(", ")}` : ""}`,
  );
  return failed === 0 ? 0 : 1;
}

try {
  process.exit(await main());
} catch (cause) {
  print(`${cause instanceof Error ? cause.message : cause}`);
  process.exit(2);
}
