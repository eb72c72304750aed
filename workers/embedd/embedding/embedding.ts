/** Texts to vectors: what may be embedded, what is known already, batches, tries, and the answer in OpenAI's shape. */
export { createEmbedder, type Embedded, type Embedder } from "./embedder.ts";
export { inputOf, openAiAnswer, shapeOf } from "./openai-shape.ts";
export { withRetries } from "./retry.ts";
export { checkTexts } from "./texts.ts";
