/** `bun run verify`: the whole gate before a push: types, lint, all tests, then every smoke. */
import { inSteps } from "./test.ts";

const ok = await inSteps([
  { name: "tests", command: ["scripts/test/test.ts"] },
  { name: "smokes", command: ["scripts/smoke/smoke.ts"] },
]);
process.exit(ok ? 0 : 1);
