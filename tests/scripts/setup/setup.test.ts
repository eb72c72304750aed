import { Database } from "bun:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { PackageSet } from "../../../scripts/setup/setup.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

type Setup = typeof import("../../../scripts/setup/setup.ts");

const root = join(import.meta.dir, "../../..");
const setupRooms = ["setup", "faiss", "subprocess"];
const started = "started\n";
const command = `
  process.on("SIGTERM", () => { process.stdout.write("stopped by SIGTERM\\n"); process.exit(7); });
  process.stdout.write(${JSON.stringify(started)});
  const input = await Bun.stdin.text();
  process.stdout.write(JSON.stringify({ words: process.argv.slice(2), input, main: import.meta.main, bun: Bun.version }) + "\\n");
  if (process.argv[2] === "wait") setInterval(() => {}, 1000);
  else process.exit(5);
`;

let clone = "";
let remove = (): void => undefined;

/** A clone with the bootstrap, and a command that tells what it was given. */
beforeEach(() => {
  ({ path: clone, remove } = temporaryDirectory("setup"));
  for (const room of setupRooms) {
    cpSync(join(root, "scripts", room), join(clone, "scripts", room), { recursive: true });
  }
  for (const name of ["package.json", "bun.lock"]) cpSync(join(root, name), join(clone, name));
  writeFileSync(join(clone, "command.ts"), command);
});
afterEach(() => remove());

/** Marks the packages as installed, as the last step of a setup does. */
async function markInstalled(set: PackageSet = "production"): Promise<void> {
  const { wanted, stampOf } = (await import(join(clone, "scripts/setup/setup.ts"))) as Setup;
  mkdirSync(join(clone, "node_modules"), { recursive: true });
  writeFileSync(join(clone, "node_modules/.lakehouse-setup"), stampOf(wanted().stamp, set));
}

interface RunOptions {
  env?: Record<string, string>;
  argv0?: string;
  development?: boolean;
}

function run(words: string[], { env = {}, argv0, development = false }: RunOptions = {}) {
  const option = development ? ["--development"] : [];
  const setup = [process.execPath, join(clone, "scripts/setup/setup.ts"), ...option, "command.ts", ...words];
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("npm_"));
  const all = { ...(Object.fromEntries(inherited) as Record<string, string>), ...env };
  const line = argv0 === undefined ? setup : ["sh", "-c", '"$@"; exit', "npm", ...setup];
  const options = { cwd: clone, env: all, ...(argv0 !== undefined && { argv0 }) };
  return Bun.spawn(line, { ...options, stdio: ["pipe", "pipe", "pipe"] });
}

const textOf = (stream: ReadableStream<Uint8Array>): Promise<string> => new Response(stream).text();

/** Reads until the text has come. */
async function until(stream: ReadableStream<Uint8Array>, text: string): Promise<string> {
  let seen = "";
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  while (!seen.includes(text)) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`the stream ended before '${text}': ${seen}`);
    seen += decoder.decode(value, { stream: true });
  }
  reader.releaseLock();
  return seen;
}

describe("the warm path", () => {
  test("becomes the command: words, input, exit code; and says nothing of its own", async () => {
    await markInstalled();
    const child = run(["a b", "--c=d"]);
    child.stdin.write("input");
    await child.stdin.end();
    const [out, err] = await Promise.all([textOf(child.stdout), textOf(child.stderr)]);
    expect(out.slice(started.length)).toBe(
      `${JSON.stringify({ words: ["a b", "--c=d"], input: "input", main: true, bun: Bun.version })}\n`,
    );
    expect(err).toBe("");
    expect(await child.exited).toBe(5);
    expect(existsSync(join(clone, ".lakehouse-setup"))).toBe(false);
  });

  test("a signal reaches the command", async () => {
    await markInstalled();
    const child = run(["wait"]);
    await until(child.stdout, started);
    child.kill("SIGTERM");
    await until(child.stdout, "stopped by SIGTERM");
    expect(await child.exited).toBe(7);
  });

  test.skipIf(!existsSync("/proc/self/stat"))(
    "when the npm in front dies, the command is told to stop",
    async () => {
      await markInstalled();
      const npm = run(["wait"], { argv0: "npm exec bun" });
      await until(npm.stdout, started);
      npm.kill("SIGKILL");
      await until(npm.stdout, "stopped by SIGTERM");
    },
  );
});

describe("the cold path", () => {
  const nowhere = (): Record<string, string> => ({
    BUN_INSTALL_CACHE_DIR: join(clone, "cache"),
    npm_config_registry: "http://127.0.0.1:1/",
    LAKEHOUSE_FAISS: "off",
  });

  test("without a registry it ends with what to do, and leaves no half installation", async () => {
    const child = run([], { env: nowhere() });
    const err = await textOf(child.stderr);
    expect(await child.exited).toBe(1);
    expect(err).toMatch(/^setup: FAILED: installing packages \(exit code 1, after \d+ s\)$/m);
    expect(err).toMatch(/^setup: {3}\$ .*install --frozen-lockfile --production --omit=peer$/m);
    expect(err).toContain("setup:   the packages could not be installed");
    expect(err).toContain("registry must be reachable");
    expect(existsSync(join(clone, "node_modules"))).toBe(false);
  });

  test("waits for another setup of the clone, then goes on with what that one installed", async () => {
    mkdirSync(join(clone, ".lakehouse-setup"));
    const other = new Database(join(clone, ".lakehouse-setup/lock"));
    other.run("BEGIN EXCLUSIVE");
    const child = run([], { env: nowhere() });
    await until(child.stderr, "another setup of this clone is running");
    await markInstalled();
    other.close();
    await child.stdin.end();
    expect(await child.exited).toBe(5);
  });

  test("a changed lockfile is a new installation", async () => {
    await markInstalled();
    writeFileSync(join(clone, "bun.lock"), `${readFileSync(join(clone, "bun.lock"), "utf8")}\n`);
    const child = run([], { env: nowhere() });
    const err = await textOf(child.stderr);
    expect(err).toContain("setup: installing the packages that the product needs");
    expect(err).toMatch(/about \d+ MB to fetch, \d+ MiB on disk/);
    expect(await child.exited).toBe(1);
  });

  test("tests ask for the packages of development too, and what has those has the product's", async () => {
    await markInstalled("production");
    const lacking = run([], { env: nowhere(), development: true });
    expect(await textOf(lacking.stderr)).toContain(
      "setup: installing all packages, those of development too",
    );
    expect(await lacking.exited).toBe(1);
    await markInstalled("all");
    for (const development of [true, false]) {
      const child = run([], { env: nowhere(), development });
      await child.stdin.end();
      expect(await child.exited).toBe(5);
    }
  });
});
