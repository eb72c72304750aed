/** The servers of models: what is configured, one file for each kind of API, and what their refusals mean. */
export { createOllama } from "./ollama.ts";
export { createOpenAi } from "./openai.ts";
export { failure, type Provider, type ProviderCall, ProviderFailure } from "./provider.ts";
export { type ProviderSetting, readProviderSettings } from "./setting.ts";
