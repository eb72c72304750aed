import { describe, expect, test } from "bun:test";
import { once } from "node:events";
import { cpSync, mkdirSync, readdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { probeFaiss } from "../../scripts/faiss.ts";
import { temporaryDirectory } from "../support/in-process.ts";

const root = join(import.meta.dir, "../..");
const { ok: built, why } = probeFaiss();

describe(built ? "FAISS" : `FAISS (not built: ${why}; run: bun scripts/faiss.ts)`, () => {
  test.skipIf(!built)("loads in a Worker and finds neighbours", async () => {
    const worker = new Worker(join(root, "tests/fixtures/neighbour-worker.ts"));
    const [found] = await once(worker, "message");
    await worker.terminate();
    expect(found).toEqual({ labels: [1, 0], distances: [1, 18] });
  });
});

/** A clone with the packages of this one, and a faiss-node without binding. */
function cloneWithoutBinding(path: string): string {
  mkdirSync(join(path, "scripts"));
  mkdirSync(join(path, "node_modules"));
  cpSync(join(root, "scripts/faiss.ts"), join(path, "scripts/faiss.ts"));
  for (const name of readdirSync(join(root, "node_modules"))) {
    if (name !== "faiss-node")
      symlinkSync(join(root, "node_modules", name), join(path, "node_modules", name));
  }
  const packageFiles = { recursive: true, filter: (from: string) => !from.includes("/faiss-node/build") };
  cpSync(join(root, "node_modules/faiss-node"), join(path, "node_modules/faiss-node"), packageFiles);
  return join(path, "scripts/faiss.ts");
}

/** Asynchronous, since a mirror in this process must be able to answer meanwhile. */
async function make(
  script: string,
  env: Record<string, string>,
): Promise<{ exitCode: number; output: string }> {
  const child = Bun.spawn([process.execPath, script], { env, stdio: ["ignore", "ignore", "pipe"] });
  const output = await new Response(child.stderr).text();
  return { exitCode: await child.exited, output };
}

describe("making the binding", () => {
  test("without a download, compiler or administrator the fix is told, and the start goes on", async () => {
    const { path, remove } = temporaryDirectory("faiss");
    const script = cloneWithoutBinding(path);
    const nowhere = { HOME: path, PATH: path, npm_config_faiss_node_binary_host: "http://127.0.0.1:1" };
    const { exitCode, output } = await make(script, nowhere);
    remove();
    expect(exitCode).toBe(1);
    expect(output).toContain("FAISS is not available");
    expect(output).toContain("apt-get install libfaiss-dev libopenblas-dev g++");
  });

  test("it can be switched off", async () => {
    const { path, remove } = temporaryDirectory("faiss");
    const { output } = await make(cloneWithoutBinding(path), { HOME: path, LAKEHOUSE_FAISS: "off" });
    remove();
    expect(output).toContain("LAKEHOUSE_FAISS=off");
  });

  test.skipIf(!built)("upstream's prebuilt is taken where it can be downloaded", async () => {
    const { path, remove } = temporaryDirectory("faiss");
    const script = cloneWithoutBinding(path);
    const archive = join(path, "prebuilt.tar.gz");
    const packed = [
      "tar",
      "-czf",
      archive,
      "-C",
      join(root, "node_modules/faiss-node"),
      "build/Release/faiss-node.node",
    ];
    expect(Bun.spawnSync(packed).exitCode).toBe(0);
    const asked: string[] = [];
    await using mirror = Bun.serve({
      port: 0,
      fetch: ({ url }) => {
        asked.push(new URL(url).pathname);
        return new Response(Bun.file(archive));
      },
    });
    const env = {
      HOME: path,
      PATH: path,
      npm_config_faiss_node_binary_host: `http://127.0.0.1:${mirror.port}`,
    };
    const { exitCode, output } = await make(script, { ...env, npm_config_cache: join(path, "cache") });
    remove();
    expect(output).toContain("FAISS is ready (prebuilt)");
    expect(exitCode).toBe(0);
    expect(asked).toHaveLength(1);
    expect(asked[0]).toMatch(/^\/v0\.5\.1\/faiss-node-v0\.5\.1-napi-v\d+-/);
  });
});
