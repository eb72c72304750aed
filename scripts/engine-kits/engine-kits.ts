/** Tests that others wrote for a catalog of Iceberg, run on a product that is started for them. */
export { pyicebergTests } from "./pyiceberg-tests.ts";
export { rck } from "./rck.ts";
