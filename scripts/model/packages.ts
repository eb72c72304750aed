/**
 * The packages that run models, in `models/onnx`: installed when the first model is added, so that nobody has them who needs
 * none. Of ONNX Runtime what this machine runs is kept; the package has it for six kinds of machine.
 */
import {
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { packagesFolder } from "../../runtime/onnx/onnx.ts";
import { runStep, type Say } from "../subprocess/subprocess.ts";

const installTimeoutMs = 20 * 60_000;
/** Work in progress, as the set-up has it; ignored by git. */
const staging = resolve(import.meta.dir, "../../.lakehouse-setup");
const modules = join(packagesFolder, "node_modules");
const stampFile = join(modules, ".lakehouse-setup");

/**
 * Does nothing where they are there as bun.lock has them. They are made aside and moved into place whole, so that two at
 * once do not meet. Throws, with the reason on the terminal, where they cannot be installed.
 */
export async function installPackages(say: Say): Promise<void> {
  const lockfile = readFileSync(join(packagesFolder, "bun.lock"), "utf8");
  const wanted = `${process.platform}-${process.arch} ${new Bun.CryptoHasher("sha256").update(lockfile).digest("hex")}`;
  if (stamp() === wanted) return;
  say(
    "what runs models is installed into models/onnx, once: 300 MB to unpack, 48 MiB of it stay on linux-x64",
  );
  const aside = join(staging, `onnx-${crypto.randomUUID()}`);
  mkdirSync(aside, { recursive: true });
  try {
    for (const name of ["package.json", "bun.lock"])
      copyFileSync(join(packagesFolder, name), join(aside, name));
    const step = {
      name: "installing the packages of models/onnx",
      // Its own install script would fetch libraries for graphics cards: it is not run.
      command: [process.execPath, "install", "--frozen-lockfile", "--ignore-scripts"] as const,
      timeoutMs: installTimeoutMs,
      cwd: aside,
      shown: true,
      otherwise: [
        "fix: the npm registry must be reachable and models/onnx writable; then run the command again.",
        "Without a network: copy models/onnx/node_modules from a clone on such a machine.",
      ],
    };
    if (!(await runStep(step, say)))
      throw new Error("the packages that run models could not be installed (see above)");
    prune(join(aside, "node_modules/onnxruntime-node/bin/napi-v6"));
    writeFileSync(join(aside, "node_modules/.lakehouse-setup"), wanted);
    moveIntoPlace(join(aside, "node_modules"), wanted);
  } finally {
    rmSync(aside, { recursive: true, force: true });
  }
}

function stamp(): string | undefined {
  try {
    return readFileSync(stampFile, "utf8");
  } catch {
    return undefined; // Nothing is installed, or not by this command.
  }
}

function moveIntoPlace(made: string, wanted: string): void {
  if (stamp() === wanted) return;
  rmSync(modules, { recursive: true, force: true });
  try {
    renameSync(made, modules);
  } catch (cause) {
    // Another command was faster.
    if (stamp() !== wanted) throw cause;
  }
}

function prune(binaries: string): void {
  for (const platform of readdirSync(binaries)) {
    const own = join(binaries, platform);
    for (const arch of readdirSync(own))
      if (platform !== process.platform || arch !== process.arch)
        rmSync(join(own, arch), { recursive: true, force: true });
  }
}
