/** Answers of statements that read: messages of rows, from queryd or from the catalog, a block at a time. */
export { type CatalogQuestion, catalogAnswer, catalogDescription } from "./catalog-answer.ts";
export { type DatasetQuestion, type Described, datasetAnswer, describeDatasets } from "./dataset-answer.ts";
export { type Answer, type Ended, RawFailure } from "./messages.ts";
