/**
 * The acceptance smokes with the primary bucket on a real S3 server and a second one on disk:
 * `bun tests/campaigns/faults/s3.ts [smoke…] [--server rgw|seaweedfs] [--mode one|apart|mixed]`; all smokes on both servers
 * unless told. An engine of `bun run engines` may be named as well: its tables are on S3, too. Prints a line a check, and
 * exits 1 when one failed.
 */
import { parseArgs } from "node:util";
import { engines } from "../../../scripts/engines/all.ts";
import { smokes } from "../../../scripts/smoke/all.ts";
import { modes } from "../../../scripts/smoke-product/product.ts";
import { runSmoke } from "../../../scripts/smoke-product/stage.ts";
import { flagsOnS3 } from "../../support/s3/lake.ts";
import { s3Names, testS3 } from "../../support/s3/server.ts";

const { values, positionals } = parseArgs({
  options: { server: { type: "string" }, mode: { type: "string", default: "one" } },
  allowPositionals: true,
});
const print = (line: string): void => {
  process.stdout.write(`${line}\n`);
};
const mode = modes.find((each) => each === values.mode);
const servers = s3Names.filter((name) => values.server === undefined || name === values.server);
const all = { ...smokes, ...engines };
const unknown = positionals.filter((name) => !Object.hasOwn(all, name));
if (!mode || servers.length === 0 || unknown.length > 0) {
  print(
    `expected --mode ${modes.join("|")}, --server ${s3Names.join("|")}, and smokes or engines that there are`,
  );
  process.exit(2);
}
let failed = 0;
for (const server of servers) {
  const s3 = await testS3(server);
  const began = performance.now();
  let passed = 0;
  for (const [name, smoke] of Object.entries(all)) {
    const isEngine = Object.hasOwn(engines, name);
    if (positionals.length > 0 ? !positionals.includes(name) : isEngine) continue;
    const flagsOf = flagsOnS3(s3, isEngine ? { warehouse: s3 } : {});
    const outcome = await runSmoke(name, smoke, { mode, flagsOf, print });
    passed += outcome.passed;
    failed += outcome.failed;
  }
  const seconds = Math.round((performance.now() - began) / 1000);
  print(`${server}, ${mode}: ${passed} checks passed, ${failed} failed so far, ${seconds} s`);
  await s3.stop();
}
process.exit(failed === 0 ? 0 : 1);
