/** Where the program's own files are: as they lie in its folder, or in a bundle of them (ADR 0175). */
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

/** What processes and threads of the product begin with. */
export const programs = [
  "runtime/product.ts",
  "runtime/supervisor/thread-number.ts",
  "runtime/child-main/launch.ts",
  "runtime/onnx/main.ts",
  "workers/storaged/worker.ts",
  "workers/catalogd/worker.ts",
  "workers/ingestd/worker.ts",
  "workers/ingestd/engine/main.ts",
  "workers/ingestd/extraction/main.ts",
  "workers/queryd/worker.ts",
  "workers/queryd/engine/main.ts",
  "workers/vectord/worker.ts",
  "workers/vectord/threads/thread.ts",
  "workers/vectord/faiss/main.ts",
  "workers/embedd/worker.ts",
  "workers/pathwayd/worker.ts",
  "workers/matrixd/worker.ts",
  "workers/matrixd/lexicon/thread.ts",
  "workers/chatd/worker.ts",
  "workers/observerd/worker.ts",
  "api/gateway/worker.ts",
  "api/pgwire/catalog/main.ts",
] as const;

export type Program = (typeof programs)[number];

/** Texts that the bundler puts in their place: the folder that was bundled, and the bundle's own. */
declare const bundledFrom: string;
declare const bundledAt: string;

/** The folder of the tree, whichever way it runs. */
export const root = typeof bundledFrom === "string" ? bundledFrom : resolve(import.meta.dir, "../..");

/** The bundle that this code runs from. */
export const bundleFolder = typeof bundledAt === "string" ? bundledAt : undefined;

/** The file of a program in a bundle. */
export const bundledProgram = (folder: string, name: Program): string =>
  join(folder, name.replace(/\.ts$/, ".js"));

let startedFrom = bundleFolder;

/** From now on programs are started from this bundle, though this code runs from the tree: as tests do (ADR 0177). */
export const startProgramsFrom = (folder: string): void => {
  startedFrom = folder;
};

/** The file to start as that program: of the same bundle as this code, or of the tree. */
export const program = (name: Program): URL =>
  pathToFileURL(startedFrom === undefined ? join(root, name) : bundledProgram(startedFrom, name));
