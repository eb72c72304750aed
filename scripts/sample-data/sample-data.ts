/** Made-up data to try the product with and to measure it by: workers, queries about them, vectors. */
export { clustered, nearestByCosine } from "./make-vectors.ts";
export { workerColumns, workerRow, workersPieces } from "./make-workers.ts";
