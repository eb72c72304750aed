/** The protocol's side: its requests, prompts, progress, log messages, and how large a message may be. */
import { Server } from "@modelcontextprotocol/server";
import { version } from "../../../package.json";
import { type CallParts, createCalls } from "./calls.ts";
import { answerCompletions, answerPrompts } from "./prompts.ts";
import { answerResources, type Pushes, type ResourceParts } from "./resources.ts";

export { limitMessages } from "./message-limit.ts";

/** Sent to the model once, at the start. */
const instructions =
  "Lakehouse holds datasets (SQL tables), vector indexes and searchable corpora. To answer from data: list_datasets, then get_manifest for the columns, then query_sql. To find by meaning: list_corpora, then search_matrix over corpora, or list_indexes, then search_vectors over one index. When an answer found by search_matrix proved right, call record_playbook. Tools that are not marked as reading add something, and take nothing away.";

/** What every server of this process is made of. */
export type ServerParts = CallParts & ResourceParts;

/** Makes servers, one a connection; each is not connected yet. `runId` stands for the connection in the observer. */
export function createServers(parts: ServerParts): (runId: string, pushes: Pushes) => Server {
  const answerTools = createCalls(parts);
  return (runId, pushes) => {
    const server = new Server(
      { name: "lakehouse", title: "Lakehouse", version },
      {
        instructions,
        capabilities: {
          ...{ tools: {}, prompts: {}, logging: {}, completions: {} },
          resources: { listChanged: true, subscribe: true },
        },
      },
    );
    answerTools(server, runId);
    answerResources(server, parts, pushes);
    answerPrompts(server);
    answerCompletions(server, parts);
    return server;
  };
}
