/** The native libraries behind the engines, usearch and FAISS: each is known to one file here. Loaded in engine threads and in FAISS's child. */
export { openCodes } from "./codes.ts";
export { type Among, exactly, scored } from "./exact.ts";
export { loadFaiss, openFaiss, probeFaissType, writeFaissStart } from "./faiss.ts";
export { type Graph, noRow } from "./graph.ts";
export { type NumberedGraph, numbered } from "./numbered.ts";
export { checkFile, sealFile } from "./sealed-file.ts";
export { openUsearch } from "./usearch.ts";
