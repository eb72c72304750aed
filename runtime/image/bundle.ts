/**
 * One bundle of all programs: a thread that reads twenty files instead of two hundred is there in half the time (ADR
 * 0175). Its folder is named by the hash of all that it is made of, and complete as soon as it has that name: what a
 * source, the lockfile or Bun makes different is another bundle.
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { openLibc } from "../libc/libc.ts";
import { bundledProgram, bundleFolder, type Program, programs, root } from "../program/program.ts";

const cache = join(root, ".cache/bundles");
/** Elsewhere a bundle that somebody runs from cannot be told from others, and none is removed. */
const locks = process.platform === "linux";
/** Bundles that stay though nobody runs from them, so that going back to a version costs nothing. */
const keptMax = 4;

/** Native, or read by what few installations ever do, and then from its own folder. */
const apart = [
  ...["usearch", "faiss-node", "@duckdb/node-bindings*", "*.node"],
  ...["@electric-sql/*", "mammoth", "unpdf"],
];

/** Everything but packages that a bundle is made of; packages are what the lockfile says. */
function hashOfInputs(): string {
  const hash = new Bun.CryptoHasher("sha256").update(`${Bun.version_with_sha} ${process.platform} ${root}\0`);
  const add = (path: string) => {
    const bytes = readFileSync(join(root, path));
    hash.update(`${path}\0${bytes.length}\0`).update(bytes);
  };
  const addFolder = (folder: string): void => {
    const entries = readdirSync(join(root, folder), { withFileTypes: true });
    for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
      const path = `${folder}/${entry.name}`;
      if (entry.isDirectory()) addFolder(path);
      else if (/\.tsx?$/.test(entry.name)) add(path);
    }
  };
  for (const path of ["bun.lock", "package.json", "tsconfig.json"]) add(path);
  for (const folder of ["runtime", "workers", "api"]) addFolder(folder);
  return hash.digest("hex").slice(0, 32);
}

/** The folder of the bundle of these sources, if it was made. */
export function presentBundle(): string | undefined {
  const folder = join(cache, hashOfInputs());
  return existsSync(folder) ? folder : undefined;
}

/**
 * The bundled file of a program, made when there is none of these sources. Throws when it cannot be made, as where
 * the tree's folder cannot be written.
 */
export async function openBundle(name: Program): Promise<{ file: string; isNew: boolean }> {
  const key = hashOfInputs();
  const folder = join(cache, key);
  const file = bundledProgram(folder, name);
  const isNew = !existsSync(file);
  if (isNew) await make(key, folder);
  if (!existsSync(file)) throw new Error(`${file} is missing: remove ${folder}`);
  return { file, isNew };
}

async function make(key: string, folder: string): Promise<void> {
  const draft = join(cache, `.${crypto.randomUUID()}`);
  try {
    mkdirSync(draft, { recursive: true });
    const { outputs } = await Bun.build({
      entrypoints: programs.map((name) => join(root, name)),
      root,
      outdir: draft,
      target: "bun",
      splitting: true,
      external: apart,
      sourcemap: "linked",
      naming: { entry: "[dir]/[name].js", chunk: "chunks/[hash].js" },
      define: { bundledFrom: JSON.stringify(root), bundledAt: JSON.stringify(folder) },
    });
    for (const { kind, path } of outputs) if (kind === "sourcemap") dropTexts(path);
    syncAll(draft);
    if (hashOfInputs() !== key) throw new Error("the sources changed meanwhile");
    publish(draft, folder);
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
  removeUnused(folder);
}

/** A map's copy of the sources, two thirds of it, serves nobody: they are there, and read from their files. */
function dropTexts(map: string): void {
  const content = JSON.parse(readFileSync(map, "utf8"));
  content.sourcesContent = content.sourcesContent.map(() => "");
  writeFileSync(map, JSON.stringify(content));
}

/** A name of which a power loss could leave empty files would stop every later start. */
function syncAll(folder: string): void {
  for (const path of [".", ...(readdirSync(folder, { recursive: true }) as string[])]) {
    const descriptor = openSync(join(folder, path), "r");
    fsyncSync(descriptor);
    closeSync(descriptor);
  }
}

/** Another start may have made the same meanwhile. */
function publish(draft: string, folder: string): void {
  try {
    renameSync(draft, folder);
  } catch (cause) {
    if (!existsSync(folder)) throw cause;
  }
}

function removeUnused(present: string): void {
  if (!locks) return;
  const madeAt = (path: string) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const others = readdirSync(cache)
    .filter((name) => !name.startsWith("."))
    .map((name) => join(cache, name))
    .filter((path) => path !== present)
    .toSorted((a, b) => madeAt(b) - madeAt(a));
  for (const path of others.slice(keptMax)) if (!isHeld(path)) rmSync(path, { recursive: true, force: true });
}

/** flock(2). */
const [LOCK_SH, LOCK_EX, LOCK_NB] = [1, 2, 4];

/** Locks a bundle's folder until the descriptor is closed; false: another process has it in a way that excludes this one. */
function lock(folder: string, how: number): { descriptor: number; isLocked: boolean } {
  const { flock } = openLibc({ flock: { args: ["int", "int"], returns: "int" } });
  const descriptor = openSync(folder, "r");
  return { descriptor, isLocked: flock(descriptor, how | LOCK_NB) === 0 };
}

function isHeld(folder: string): boolean {
  const { descriptor, isLocked } = lock(folder, LOCK_EX);
  closeSync(descriptor);
  return !isLocked;
}

/** Keeps a bundle, or that which this process runs from, if it does, until the process ends: its threads read from it when they start again. */
export function holdBundle(folder = bundleFolder): void {
  if (folder !== undefined && locks) lock(folder, LOCK_SH);
}
