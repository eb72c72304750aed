/** `bun run verify`: the whole gate before a push: types, lint, all tests, then every smoke. */
import { resolve } from "node:path";

const root = resolve(import.meta.dir, "../..");
const steps = ["scripts/test/test.ts", "scripts/smoke/smoke.ts"];

const results = steps.map((script) => {
  const startedAt = performance.now();
  const { exitCode } = Bun.spawnSync([process.execPath, script], {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
  });
  return { script, ok: exitCode === 0, seconds: (performance.now() - startedAt) / 1000 };
});
for (const { script, ok, seconds } of results) {
  process.stdout.write(`${ok ? "ok    " : "FAILED"}  ${script} ${seconds.toFixed(1)} s\n`);
}
process.exit(results.every(({ ok }) => ok) ? 0 : 1);
