/** Models in ONNX's form, in a child process: what was added, and what runs it. Nothing of it is loaded here. */
export { createOnnxEngine, type OnnxEngine } from "./engine.ts";
export { packagesFolder } from "./packages.ts";
export {
  listModelRecords,
  type ModelRecord,
  modelName,
  type Pooling,
  readModelRecord,
  recordFile,
} from "./record.ts";
