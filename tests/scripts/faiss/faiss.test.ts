import { describe, expect, test } from "bun:test";
import { once } from "node:events";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { compilation, installFix, type Machine, permission } from "../../../scripts/faiss/platform.ts";
import { probeFaiss } from "../../../scripts/faiss/probe.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

const root = join(import.meta.dir, "../../..");
const { ok: built, why } = await probeFaiss();

describe(built ? "FAISS" : `FAISS (not built: ${why}; run: bun scripts/faiss/faiss.ts)`, () => {
  test.skipIf(!built)("loads in a Worker and finds neighbours", async () => {
    const worker = new Worker(join(root, "tests/fixtures/neighbour-worker.ts"));
    const [found] = await once(worker, "message");
    await worker.terminate();
    expect(found).toEqual({ labels: [1, 0], distances: [1, 18] });
  });
});

/** A clone with the packages of this one, and a faiss-node without binding. */
function cloneWithoutBinding(path: string): string {
  mkdirSync(join(path, "node_modules"));
  for (const room of ["faiss", "subprocess"])
    cpSync(join(root, "scripts", room), join(path, "scripts", room), { recursive: true });
  for (const name of readdirSync(join(root, "node_modules"))) {
    if (name !== "faiss-node")
      symlinkSync(join(root, "node_modules", name), join(path, "node_modules", name));
  }
  const packageFiles = { recursive: true, filter: (from: string) => !from.includes("/faiss-node/build") };
  cpSync(join(root, "node_modules/faiss-node"), join(path, "node_modules/faiss-node"), packageFiles);
  return join(path, "scripts/faiss/faiss.ts");
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
    // Every step that failed has its own words: which, the command, what it printed, what comes next.
    expect(output).toMatch(/^faiss: FAILED: fetching the prebuilt FAISS binding \(/m);
    expect(output).toMatch(/^faiss: {3}\$ .*prebuild-install\/bin\.js --runtime napi$/m);
    expect(output).toContain("next: it is built from source here");
    expect(output).toContain("FAILED: building the FAISS binding from source (after 0 s)");
    expect(output).toContain('| Executable not found in $PATH: "g++"');
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

/**
 * A machine without FAISS: `g++` fails until `apt-get install` ran, then gives the binding of this clone. Both write
 * down how they were called.
 */
function machineWithoutFaiss(path: string) {
  const script = cloneWithoutBinding(path);
  const bin = join(path, "bin");
  const calls = join(path, "calls");
  mkdirSync(bin);
  const program = (name: string, text: string) =>
    writeFileSync(join(bin, name), `#!/bin/sh\necho "${name} $*" >> ${calls}\n${text}\n`, { mode: 0o755 });
  for (const tool of ["sh", "env", "cp", "touch", "grep"])
    symlinkSync(Bun.which(tool) ?? "", join(bin, tool));
  const there = join(root, "node_modules/faiss-node/build/Release/faiss-node.node");
  program(
    "g++",
    `[ -e ${path}/installed ] || { echo "fatal error: faiss/Index.h: no such file" >&2; exit 1; }
while [ "$1" != -o ]; do shift; done; cp ${there} "$2"`,
  );
  program("apt-cache", `[ ! -e ${path}/updated ] || echo "  Candidate: 1"`);
  program("apt-get", `case "$*" in *update*) touch ${path}/updated;; *) touch ${path}/installed;; esac`);
  const env = { HOME: path, PATH: bin, npm_config_faiss_node_binary_host: "http://127.0.0.1:1" };
  const called = () => (existsSync(calls) ? readFileSync(calls, "utf8") : "");
  return { script, env, called };
}

describe.skipIf(!built || process.getuid?.() !== 0)("on a machine without FAISS, as root", () => {
  test("apt-get runs, after saying what it will install and why; and the binding is there", async () => {
    const { path, remove } = temporaryDirectory("faiss");
    const { script, env, called } = machineWithoutFaiss(path);
    const { exitCode, output } = await make(script, env);
    expect(called()).toMatch(
      /apt-get -q -y update\napt-get -q -y install .* libfaiss-dev libopenblas-dev g\+\+\n/,
    );
    remove();
    expect(output).toMatch(
      /FAISS indexes need libfaiss-dev, libopenblas-dev, g\+\+ of the system: .*\n.*LAKEHOUSE_INSTALL=off/,
    );
    expect(output).toContain("FAISS is ready (built)");
    expect(exitCode).toBe(0);
  });

  test("LAKEHOUSE_INSTALL=off installs nothing into the system, and says so", async () => {
    const { path, remove } = temporaryDirectory("faiss");
    const { script, env, called } = machineWithoutFaiss(path);
    const { exitCode, output } = await make(script, { ...env, LAKEHOUSE_INSTALL: "off" });
    expect(called()).not.toContain("apt-get");
    remove();
    expect(output).toContain("no system packages are installed (LAKEHOUSE_INSTALL=off)");
    expect(output).toContain("To get it: install FAISS");
    expect(exitCode).toBe(1);
  });
});

/** script(1) gives the command a terminal, and types what comes on its own input. */
describe.skipIf(Bun.which("script") === null)("through sudo", () => {
  test.each([
    ["y", true],
    ["n", false],
    ["", false],
    ["yes please, all of it", false],
  ])("the answer %p at the terminal installs: %p", async (answer, installs) => {
    const { path, remove } = temporaryDirectory("faiss");
    const { env, called } = machineWithoutFaiss(path);
    writeFileSync(join(path, "bin/sudo"), `#!/bin/sh\necho "sudo $*" >> ${path}/calls\nexec "$@"\n`, {
      mode: 0o755,
    });
    const code = `const { installSystemPackages } = await import("${root}/scripts/faiss/platform.ts");
      const machine = { platform: "linux", isRoot: false, has: () => true, install: undefined, hasTerminal: true };
      console.log("installed " + (await installSystemPackages(console.log, machine)))`;
    writeFileSync(join(path, "ask.ts"), code);
    const command = `PATH=${env.PATH} ${process.execPath} ${path}/ask.ts`;
    const child = Bun.spawn(["script", "-qec", command, "/dev/null"], { stdio: ["pipe", "pipe", "inherit"] });
    let shown = "";
    let isAnswered = false;
    for await (const bytes of child.stdout) {
      shown += new TextDecoder().decode(bytes);
      if (shown.includes("[y/N] ") && !isAnswered) {
        isAnswered = true;
        child.stdin.write(`${answer}\n`);
        await child.stdin.flush();
      }
    }
    await child.exited;
    const calls = called();
    remove();
    expect(shown).toContain("FAISS indexes need libfaiss-dev");
    expect(shown).toContain(`installed ${installs}`);
    expect(calls.includes("sudo env DEBIAN_FRONTEND=noninteractive apt-get -q -y install")).toBe(installs);
    expect(calls.includes("apt-get")).toBe(installs);
  });
});

describe("permission to install into the system", () => {
  const debian: Machine = {
    platform: "linux",
    isRoot: false,
    has: () => true,
    install: undefined,
    hasTerminal: true,
  };
  test.each<[string, Partial<Machine>, string]>([
    ["root", { isRoot: true }, "given"],
    ["root without a terminal", { isRoot: true, hasTerminal: false }, "given"],
    ["root that said no", { isRoot: true, install: "off" }, "none: LAKEHOUSE_INSTALL=off"],
    ["sudo and a terminal", {}, "ask"],
    ["sudo that said no", { install: "off" }, "none: LAKEHOUSE_INSTALL=off"],
    [
      "sudo without a terminal",
      { hasTerminal: false },
      "none: it takes root, and there is no terminal to ask at",
    ],
    ["neither root nor sudo", { has: (tool) => tool !== "sudo" }, "none: it takes root"],
    [
      "no apt-get",
      { isRoot: true, has: (tool) => tool !== "apt-get" },
      "none: only apt-get is known to this set-up",
    ],
    ["darwin", { platform: "darwin", isRoot: true }, "none: only apt-get is known to this set-up"],
  ])("%s", (_, facts, expected) => {
    const found = permission({ ...debian, ...facts });
    expect(found.kind === "none" ? `none: ${found.why}` : found.kind).toBe(expected);
  });
});

describe("what building takes", () => {
  const sources = { shim: "idx.h", headers: ["node-api"], source: "faiss.cc", binding: "faiss-node.node" };
  test("on Linux, by g++ with OpenBLAS", () => {
    const command = compilation(sources, "linux", "arm64").join(" ");
    expect(command).toMatch(/^g\+\+ .* -fopenmp .* -lfaiss -lopenblas -lgomp$/);
    expect(installFix("linux")).toContain("apt-get install libfaiss-dev libopenblas-dev g++");
  });

  test("on macOS, by clang with what Homebrew installed", () => {
    const command = compilation(sources, "darwin", "arm64").join(" ");
    expect(command).toMatch(/^clang\+\+ .* -bundle -undefined dynamic_lookup .* -lfaiss -lomp$/);
    expect(command).toContain("-I/opt/homebrew/opt/faiss/include");
    expect(compilation(sources, "darwin", "x64").join(" ")).toContain("-L/usr/local/opt/libomp/lib");
    expect(installFix("darwin")).toContain("brew install faiss libomp");
    expect(installFix("darwin")).not.toContain("apt-get");
  });
});
