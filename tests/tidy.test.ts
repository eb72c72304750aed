/** What a linter cannot say. Every rule finds nothing in the repository, and finds its own small example of a fault. */
import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { startOrder, topology } from "../runtime/topology.ts";
import { renderToml } from "../scripts/generate/render-toml.ts";
import {
  dead,
  drawnRooms,
  folderSizes,
  length,
  roomCycles,
  rooms,
  serviceFolders,
  telling,
} from "./support/tidy-files.ts";
import { confinement, declaredCalls, givenPeers, layers } from "./support/tidy-layers.ts";
import * as setup from "./support/tidy-setup.ts";
import * as text from "./support/tidy-text.ts";
import { type Rule, repositoryTree, treeOf } from "./support/tidy-tree.ts";

const tree = repositoryTree();
const calls = Object.fromEntries(Object.entries(topology).map(([name, node]) => [name, node.calls]));
const readme = "# a\n## Owns\n## Promises\n## Calls\n## Files\n## When it fails\n";
const twoRooms = {
  "workers/a/contract.ts": "",
  "workers/a/journal/journal.ts": "",
  "workers/a/search/search.ts": 'import { x } from "../journal/journal.ts";\n',
};
const manifest = { engines: { bun: "9.9.9" }, dependencies: { bun: "9.9.9" } };

interface Row {
  name: string;
  rule: Rule;
  /** The rule as it holds for the repository, where that needs other facts than the example. */
  here?: Rule;
  /** Files that break the rule. */
  example: Record<string, string>;
  /** What the finding says. */
  finds: string;
}

const rows: Row[] = [
  {
    name: "a service has its fixed files",
    rule: serviceFolders,
    example: { "workers/a/contract.ts": "", "workers/a/service.ts": "", "workers/a/worker.ts": "" },
    finds: "workers/a/README.md: missing",
  },
  {
    name: "four files stand at the front of a service, the rest in rooms",
    rule: serviceFolders,
    example: { "workers/a/store.ts": "", "workers/a/very/deep/er.ts": "" },
    finds: "workers/a/store.ts: at the front of a service",
  },
  {
    name: "rooms have a door",
    rule: rooms,
    example: { "workers/a/journal/segment.ts": "" },
    finds: "workers/a/journal/: a room has a door, workers/a/journal/journal.ts",
  },
  {
    name: "rooms are entered through their doors",
    rule: rooms,
    example: {
      "workers/a/service.ts": 'import { x } from "./journal/segment.ts";\n',
      "workers/a/journal/journal.ts": 'import { x } from "./segment.ts";\n',
      "workers/a/journal/segment.ts": "",
    },
    finds: "workers/a/service.ts imports workers/a/journal/segment.ts: a room is entered through its door",
  },
  {
    name: "rooms hold no rooms",
    rule: rooms,
    example: { "scripts/smoke/memory/chat.ts": "" },
    finds: "scripts/smoke/memory/chat.ts: a room holds files and no rooms",
  },
  {
    name: "only doors pass on what others export",
    rule: rooms,
    example: {
      "workers/a/journal/journal.ts": 'export { x } from "./segment.ts";\n',
      "workers/a/journal/segment.ts": 'export type { x } from "./bytes.ts";\n',
    },
    finds: "workers/a/journal/segment.ts: only doors",
  },
  {
    name: "rooms form no cycle, by types neither",
    rule: roomCycles,
    example: {
      "workers/a/journal/journal.ts": 'import type { x } from "../rows/rows.ts";\n',
      "workers/a/rows/rows.ts": 'export { y } from "../journal/journal.ts";\n',
    },
    finds: "workers/a/rows: asks rooms that ask it: workers/a/journal",
  },
  {
    name: "folders hold few files",
    rule: folderSizes,
    example: Object.fromEntries(Array.from({ length: 15 }, (_, n) => [`runtime/rpc/part-${n}.ts`, ""])),
    finds: "runtime/rpc/: 15 files, at most 14",
  },
  { name: "names tell", rule: telling, example: { "runtime/utils.ts": "" }, finds: "runtime/utils.ts" },
  {
    name: "files hold one idea",
    rule: length,
    example: { "runtime/long.ts": "x\n".repeat(301) },
    finds: "301 lines",
  },
  {
    name: "no file is dead",
    rule: dead,
    example: {
      "runtime/main.ts": 'import "./a.ts";\n',
      "runtime/a.ts": "",
      "runtime/b.ts": "",
      "tests/b.test.ts": 'import "../runtime/b.ts";\n',
    },
    finds: "runtime/b.ts: nothing uses it",
  },
  {
    name: "a service imports no other service's inside",
    rule: layers,
    example: { "workers/a/service.ts": 'import { x } from "../b/store.ts";\n' },
    finds: "workers/a/service.ts imports workers/b/store.ts",
  },
  {
    name: "the runtime does not know the services",
    rule: layers,
    example: { "runtime/rpc/rpc.ts": 'import type { A } from "../../workers/a/contract.ts";\n' },
    finds: "runtime/ imports itself alone",
  },
  {
    name: "nobody imports the supervisor",
    rule: layers,
    example: { "workers/a/service.ts": 'export { topology } from "../../runtime/topology.ts";\n' },
    finds: "imported by none",
  },
  {
    name: "nouns do not see the transport",
    rule: layers,
    example: { "workers/a/store.ts": 'import { serve } from "../../runtime/http/http.ts";\n' },
    finds: "nouns do not see Elysia and the HTTP face",
  },
  {
    name: "products do not import tests",
    rule: layers,
    example: { "scripts/a.ts": 'const a = await import("../tests/support/a.ts");\n' },
    finds: "only tests import tests",
  },
  {
    name: "native and format packages are confined",
    rule: confinement,
    example: { "workers/queryd/catalog/views.ts": 'import { DuckDBInstance } from "@duckdb/node-api";\n' },
    finds: "only workers/ingestd/engine/duckdb.ts, workers/queryd/engine/duckdb.ts",
  },
  {
    name: "calls are declared in the topology",
    rule: declaredCalls({ a: [] }),
    here: declaredCalls(calls),
    example: { "workers/a/service.ts": 'import { b } from "../b/contract.ts";\n' },
    finds: "does not let a call b",
  },
  {
    name: "declared calls are given as peers",
    rule: givenPeers({ a: ["b"] }),
    here: givenPeers(calls),
    example: { "workers/a/worker.ts": 'import { a } from "./contract.ts";\n' },
    finds: "b is in the topology's calls, and not among the peers",
  },
  {
    name: "nothing is left to do",
    rule: text.leftovers,
    example: { "runtime/a.ts": `// ${"TO"}${"DO"} later\n` },
    finds: "runtime/a.ts:1",
  },
  {
    name: "no merge is half done",
    rule: text.conflicts,
    example: { "docs/a.md": `${"<".repeat(7)} HEAD\n` },
    finds: "docs/a.md:1",
  },
  {
    name: "every test runs",
    rule: text.narrowedTests,
    example: { "tests/a.test.ts": `\n${"test"}.${"only"}("a", () => {});\n` },
    finds: "tests/a.test.ts:2",
  },
  {
    name: "no test fails on a clock",
    rule: text.racedTests,
    example: { "tests/a.test.ts": "\nexpect(performance.now() - started).toBeLessThan(500);\n" },
    finds: "tests/a.test.ts:2",
  },
  {
    name: "clock, environment and log are given",
    rule: text.ambient,
    example: { "workers/a/store.ts": "const at = Date.now();\n" },
    finds: "workers/a/store.ts:1",
  },
  {
    name: "servers of others are asked in one place",
    rule: text.upstreams,
    example: { "workers/a/service.ts": "const answer = await fetch(url, init);\n" },
    finds: "workers/a/service.ts:1: runtime/upstream/upstream.ts asks servers",
  },
  {
    name: "names fold as SQL folds them",
    rule: text.foldedNames,
    example: { "workers/a/columns.ts": "const known = new Set([name.toLowerCase()]);\n" },
    finds: "workers/a/columns.ts:1: runtime/sql/names.ts folds names",
  },
  {
    name: "no trace of one machine",
    rule: text.machineTraces,
    example: { "docs/a.md": `cd /work/${"main"}\n` },
    finds: "docs/a.md:1",
  },
  {
    name: "links lead somewhere",
    rule: text.links,
    example: { "docs/a.md": "[b](b.md) [c](../c/) [d](https://example.com)\n", "c/x.md": "" },
    finds: "docs/a.md: the link to b.md leads nowhere",
  },
  {
    name: "documents name files that are there",
    rule: text.namedFiles,
    example: { "docs/a.md": "see `runtime/gone.ts`\n" },
    finds: "docs/a.md: names runtime/gone.ts, which is not there",
  },
  {
    name: "texts of the console stand in one place",
    rule: text.inlineTexts,
    example: { "api/console/a/a.tsx": "export const A = () => <p>Nothing is here.</p>;\n" },
    finds: "'Nothing is here.' belongs into api/console/texts/",
  },
  {
    name: "texts of the console's islands too",
    rule: text.inlineTexts,
    example: { "api/console/a/a-island.ts": 'notice("It is gone.");\n' },
    finds: "'It is gone.' belongs into api/console/texts/",
  },
  {
    name: "service READMEs have their headings",
    rule: text.serviceReadmes,
    example: { "workers/a/README.md": readme.replace("## Calls\n", "") },
    finds: "headings are",
  },
  {
    name: "service READMEs are short",
    rule: text.serviceReadmes,
    example: { "workers/a/README.md": readme + "x\n".repeat(60) },
    finds: "66 lines, at most 60",
  },
  {
    name: "service READMEs name their rooms",
    rule: drawnRooms,
    example: { ...twoRooms, "workers/a/README.md": "- `journal/` all there is\n" },
    finds: "does not name its room search/",
  },
  {
    name: "pictures draw who asks whom",
    rule: drawnRooms,
    example: { ...twoRooms, "workers/a/README.md": "    service ─► journal ─► search\n" },
    finds: "it is search that asks journal",
  },
  {
    name: "the picture of the whole draws who asks whom",
    rule: drawnRooms,
    example: {
      ...twoRooms,
      "workers/a/README.md": "- `journal/`, `search/`\n",
      "docs/architecture.md": "   a/    journal ─► search      results\n",
    },
    finds: "it is search that asks journal",
  },
  {
    name: "decisions stand in few files",
    rule: text.decisions,
    example: Object.fromEntries(Array.from({ length: 31 }, (_, n) => [`docs/decisions/${10 + n}-a.md`, ""])),
    finds: "31 files, at most 30",
  },
  {
    name: "decisions are short",
    rule: text.decisions,
    example: { "docs/decisions/01-a.md": "x\n".repeat(121) },
    finds: "121 lines, at most 120",
  },
  {
    name: "decisions are named by their subject",
    rule: text.decisions,
    example: { "docs/decisions/0001-a.md": "" },
    finds: "docs/decisions/0001-a.md: the name is NN-subject.md",
  },
  {
    name: "decisions are in the index",
    rule: text.decisions,
    example: { "docs/decisions/README.md": "[A](01-a.md)\n", "docs/decisions/02-b.md": "" },
    finds: "has no line for docs/decisions/02-b.md",
  },
  {
    name: "sections of decisions have a number",
    rule: text.decisions,
    example: { "docs/decisions/01-a.md": "## Streams\n" },
    finds: "'## Streams' begins with no number",
  },
  {
    name: "decisions have their own number",
    rule: text.decisions,
    example: {
      "docs/decisions/01-a.md": "## 0001, 0002 A\n",
      "docs/decisions/02-b.md": "## 0002 B\n",
    },
    finds: "02-b.md: 0002 is the heading of a section in docs/decisions/01-a.md",
  },
  {
    name: "decisions that are named are there",
    rule: text.decisions,
    example: {
      "docs/decisions/01-a.md": "## 0001 A\n",
      "runtime/a.ts": `// ADR ${"0001"} and 0002.\n`,
    },
    finds: "runtime/a.ts: names decision 0002, which has no section",
  },
  {
    name: "one pinned Bun",
    rule: text.versions,
    example: { "package.json": JSON.stringify(manifest), "README.md": "npx bun@1.4.5 run test" },
    finds: "README.md: names bun@1.4.5",
  },
  {
    name: "exact versions",
    rule: text.versions,
    example: { "package.json": JSON.stringify({ ...manifest, devDependencies: { a: "^1.0.0" } }) },
    finds: "a is '^1.0.0'",
  },
  {
    name: "no package without use",
    rule: text.usedPackages,
    example: { "package.json": JSON.stringify({ ...manifest, dependencies: { leftpad: "1.0.0" } }) },
    finds: "nothing imports leftpad",
  },
  {
    name: "no script drops the cause of a failure",
    rule: setup.droppedCauses,
    example: { "scripts/a.ts": "try {\n  b();\n} catch (cause) {\n  return { ok: false };\n}\n" },
    finds: "scripts/a.ts:3: the cause is dropped",
  },
  {
    name: "nor by naming none",
    rule: setup.droppedCauses,
    example: { "scripts/a.ts": "try {\n  b();\n} catch {\n  return undefined;\n}\n" },
    finds: "scripts/a.ts:3: the cause is dropped",
  },
  {
    name: "a process' bound is a whole number",
    rule: setup.processBounds,
    example: { "scripts/a.ts": "const until = 1;\nBun.spawnSync(command, { timeout: until - now() });\n" },
    finds: "scripts/a.ts:2: a process' timeout",
  },
  {
    name: "nothing needs Linux alone",
    rule: setup.otherSystems,
    example: { "runtime/a.ts": 'export const stat = readFileSync("/proc/self/stat", "utf8");\n' },
    finds: "runtime/a.ts: asks what Linux alone has",
  },
  {
    name: "what is not a test imports no package of development",
    rule: setup.developmentPackages,
    example: {
      "package.json": JSON.stringify({ ...manifest, devDependencies: { leftpad: "1.0.0" } }),
      "scripts/a.ts": 'import { pad } from "leftpad";\n',
    },
    finds: "scripts/a.ts: imports leftpad",
  },
  {
    name: "the lockfile holds every platform's native parts",
    rule: setup.lockedPlatforms,
    example: {
      "bun.lock": '    "a": ["a@1", "", { "optionalDependencies": { "a-darwin": "1" } }, "sha512-"],\n',
    },
    finds: "bun.lock: a-darwin is missing",
  },
];

describe("tidy", () => {
  test.each(rows)("$name", ({ rule, here = rule, example, finds }) => {
    expect(rule(treeOf(example)).join("\n")).toContain(finds);
    expect(here(tree)).toEqual([]);
  });

  test("lakehouse.toml equals the defaults", () => {
    expect(tree.get("lakehouse.toml")).toBe(renderToml());
  });

  test("the topology starts, and its workers exist", () => {
    expect<string[]>(startOrder(topology).flat().sort()).toEqual(Object.keys(topology).sort());
    expect(Object.values(topology).filter(({ worker }) => !existsSync(worker))).toEqual([]);
    const cyclic: Record<"a" | "b", { calls: ("a" | "b")[] }> = { a: { calls: ["b"] }, b: { calls: ["a"] } };
    expect(() => startOrder(cyclic)).toThrow("cycle");
  });
});
