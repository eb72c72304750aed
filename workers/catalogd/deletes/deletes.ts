/** Files by which engines delete rows: deletion vectors, and files of positions. */
export { positionsIn } from "./deletion-vectors.ts";
export { type MovedPositions, movedPositions } from "./position-deletes.ts";
export { movedPuffin } from "./puffin.ts";
