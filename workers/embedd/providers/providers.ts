/** What makes vectors: the model inside, Ollama and servers with OpenAI's API, and what a model's name means. */
export { createLexicalModel, createLocalModel, embeddedDimension } from "./local-model.ts";
export { findModel, keyOf, type Model, withDimensions } from "./model-id.ts";
export { createModelList } from "./model-list.ts";
export { createOllama } from "./ollama.ts";
export { createOnnx } from "./onnx.ts";
export { createOpenAi } from "./openai.ts";
export {
  type Provider,
  type ProviderLimits,
  type RerankAnswer,
  TextTooLong,
  TransientFailure,
} from "./provider.ts";
