/** The providers of models that come with the product: `[providers.*]` as it is by default. */
export const usualProviders = {
  ollama: { kind: "ollama", base_url: "http://127.0.0.1:11434" },
  openai: { kind: "openai", base_url: "https://api.openai.com/v1" },
  ollama_cloud: { kind: "ollama", base_url: "https://ollama.com" },
  openrouter: { kind: "openai", base_url: "https://openrouter.ai/api/v1" },
  opencode: { kind: "openai", base_url: "https://opencode.ai/zen/v1" },
  kimi: { kind: "openai", base_url: "https://api.moonshot.ai/v1" },
};
