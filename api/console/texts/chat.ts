/** What the chat says. */
export const chat = {
  title: "Chat",
  noModel: "No model can be used now: ",
  noModelLink: "System",
  noModelRest: " says what the providers lack. Until then the best rows of a corpus are the answer.",
  model: "Model",
  noneOfThem: "none: the best rows alone",
  relyingOn: "Relying on",
  nothing: "nothing",
  tools: "It may search and ask SQL",
  say: "Say something",
  send: "Send",
  stop: "Stop",
  stopped: "Stopped.",
  bestRows: "No model is asked. The best rows:",
  noRows: "No model is asked: choose a corpus, or configure a provider.",
  sources: "What it relies on",
  asked: (tool: string) => `It asked ${tool}`,
  tooManyRounds: (rounds: number) =>
    `It asked its tools ${rounds} times and has no answer yet: ask for less.`,
  tokens: (prompt: string, completion: string) => `${prompt} tokens read, ${completion} written`,
  cost: (usd: string) => `, $${usd}`,
  spent: (provider: string, usd: string) => `; ${provider} has cost $${usd} today`,
  toolFailed: (why: string) => `This failed: ${why}`,
  searchTool:
    "Finds rows of a corpus by meaning and words. Answers with ids, texts and metadata, the best first.",
  sqlTool:
    "Runs one reading SQL statement (DuckDB's dialect) over the datasets. SHOW TABLES lists them, DESCRIBE name their columns. At most 50 rows come back.",
} as const;
