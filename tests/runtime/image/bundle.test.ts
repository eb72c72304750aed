import { afterAll, expect, test } from "bun:test";
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { root } from "../../../runtime/program/program.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

const { path: tree, remove } = temporaryDirectory("bundle");
afterAll(remove);
for (const name of ["runtime", "workers", "api"])
  cpSync(join(root, name), join(tree, name), { recursive: true });
for (const name of ["bun.lock", "package.json", "tsconfig.json"]) cpSync(join(root, name), join(tree, name));
symlinkSync(join(root, "node_modules"), join(tree, "node_modules"));

/** `bun runtime/main.ts --help`. */
async function help(): Promise<{ code: number; output: string; errors: string }> {
  const child = Bun.spawn([process.execPath, join(tree, "runtime/main.ts"), "--help"], {
    cwd: tree,
    stdout: "pipe",
    stderr: "pipe",
  });
  const [code, output, errors] = await Promise.all([
    child.exited,
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { code, output, errors };
}

const cache = join(tree, ".cache/bundles");
const bundles = () => readdirSync(cache);
const add = (line: string) => appendFileSync(join(tree, "runtime/product.ts"), `${line}\n`);
const ranFrom = "process.stdout.write(import.meta.path);";

test("only one file asks where it is: in a bundle all others would be told of the bundle's", () => {
  const sources = ["runtime", "workers", "api"].flatMap((folder) =>
    [...new Bun.Glob(`${folder}/**/*.{ts,tsx}`).scanSync(root)].filter((path) =>
      readFileSync(join(root, path), "utf8").includes("import.meta."),
    ),
  );
  expect(sources).toEqual(["runtime/program/program.ts"]);
});

test("two starts at once leave one whole bundle, and later ones run from it", async () => {
  add(ranFrom);
  const both = await Promise.all([help(), help()]);
  for (const { code, output, errors } of both) {
    expect(errors).toBe("");
    expect(output).toContain("--only NAME");
    expect(code).toBe(0);
  }
  expect(bundles()).toHaveLength(1);
  const [only = ""] = bundles();
  expect((await help()).output).toEndWith(join(cache, only, "runtime/product.js"));
});

test("a changed source is in effect at the next start, and a trace names its line", async () => {
  add('process.stdout.write(String(new Error("changed").stack));');
  const { output } = await help();
  expect(output).toContain("changed");
  expect(output).toMatch(/runtime\/product\.ts:\d+/);
  expect(bundles()).toHaveLength(2);
});

test("bundles that nobody runs from go, but for the latest", async () => {
  for (const at of [1, 2, 3, 4, 5, 6]) {
    mkdirSync(join(cache, `older-${at}`));
    utimesSync(join(cache, `older-${at}`), at, at);
  }
  const runs = Bun.spawn(["flock", "--shared", join(cache, "older-1"), "sh", "-c", "echo; read line"], {
    stdin: "pipe",
    stdout: "pipe",
  });
  await runs.stdout.getReader().read();
  add("// another");
  await help();
  runs.stdin.end();
  await runs.exited;
  const older = bundles().filter((name) => name.startsWith("older"));
  expect(older.toSorted()).toEqual(["older-1", "older-5", "older-6"]);
});

test("where none can be made the sources run, and the log says why", async () => {
  rmSync(join(tree, ".cache"), { recursive: true });
  writeFileSync(join(tree, ".cache"), "");
  const { code, output, errors } = await help();
  expect(code).toBe(0);
  expect(output).toContain(join(tree, "runtime/product.ts"));
  expect(errors).toContain("could not be bundled");
  expect(existsSync(cache)).toBe(false);
});
