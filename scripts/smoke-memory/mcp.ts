import { join } from "node:path";
import { Client } from "@modelcontextprotocol/client";
import { getDefaultEnvironment, StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import {
  addItems,
  createIndex,
  drop,
  dropIndex,
  embed,
  expectEqual,
  expectStatus,
  expectTrue,
  freshName,
  ingest,
  type Lake,
  type Smoke,
} from "../smoke-product/smoke-product.ts";
import { buildCorpus, dropCorpus } from "./matrix-requests.ts";

const people = `id,role,city,zip
p1,Forklift Operator,Chicago,00601
p2,Registered Nurse,Dallas,75201
p3,Welder,Joliet,60431
`;
const tools = [
  "list_datasets",
  "get_manifest",
  "dataset_versions",
  "describe_dataset",
  "sample_dataset",
  "query_sql",
  "explain_sql",
  "list_views",
  "list_saved_queries",
  "run_saved_query",
  "list_models",
  "embed_text",
  "list_indexes",
  "search_vectors",
  "list_corpora",
  "search_matrix",
  "record_playbook",
  "recall",
];

interface Told {
  isError: boolean;
  text: string;
  data: Record<string, unknown>;
}
type Call = (name: string, input: Record<string, unknown>) => Promise<Told>;

/** The official client, connected to the server as an agent's configuration starts it. */
async function connect(gateway: string): Promise<Client> {
  const token = process.env.AUTH_TOKEN;
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [join(import.meta.dir, "../../api/mcp/main.ts"), "--gateway", gateway],
    env: { ...getDefaultEnvironment(), ...(token !== undefined && { AUTH_TOKEN: token }) },
    stderr: "ignore",
  });
  const client = new Client({ name: "smoke", version: "1" });
  await client.connect(transport);
  return client;
}

const callBy =
  (client: Client): Call =>
  async (name, input) => {
    const { content, isError, structuredContent } = await client.callTool({ name, arguments: input });
    const text = content.map((part) => (part.type === "text" ? part.text : "")).join("\n");
    return { isError: isError === true, text, data: (structuredContent ?? {}) as Record<string, unknown> };
  };

/** An answer that must be good. */
async function good(call: Call, name: string, input: Record<string, unknown>): Promise<Told> {
  const result = await call(name, input);
  expectTrue(!result.isError, result.text);
  return result;
}

const idsOf = (list: unknown): string[] => (list as { id: string }[]).map(({ id }) => id);

async function datasets({ check }: Parameters<Smoke["run"]>[0], client: Client, name: string): Promise<void> {
  const call = callBy(client);
  await check("list_datasets and get_manifest tell the dataset", async () => {
    const { data } = await good(call, "get_manifest", { name });
    expectEqual([data.name, data.row_count], [name, 3]);
    expectTrue((await good(call, "list_datasets", {})).text !== "", "no text");
  });
  await check("query_sql gives exact rows, and pages of one run", async () => {
    const sql = `SELECT id, zip FROM ${name} ORDER BY id`;
    const first = await good(call, "query_sql", { sql, page_size: 2 });
    expectEqual(first.data.rows, [
      { id: "p1", zip: "00601" },
      { id: "p2", zip: "75201" },
    ]);
    const rest = await good(call, "query_sql", { cursor: first.data.next_cursor });
    expectEqual(rest.data.rows, [{ id: "p3", zip: "60431" }]);
  });
  await check("a mistake is an error of the tool, with what to do", async () => {
    const { isError, text } = await call("query_sql", { sql: `SELECT rolle FROM ${name}` });
    expectTrue(isError && text.includes("rolle") && text.includes("get_manifest"), text);
  });
  await check("the dataset is a resource with sample rows", async () => {
    const { contents } = await client.readResource({ uri: `lakehouse://datasets/${name}` });
    const [content] = contents as { text: string }[];
    expectEqual(JSON.parse(content?.text ?? "{}").sample_rows.length, 3);
  });
}

async function searches(
  { check }: Parameters<Smoke["run"]>[0],
  lake: Lake,
  call: Call,
  name: string,
): Promise<void> {
  await check("embed_text and search_vectors find by text", async () => {
    const texts = ["forklift operator in a warehouse", "registered nurse at night"];
    const { data } = await good(call, "embed_text", { texts });
    const { vectors } = await embed(lake, texts);
    expectEqual(data.vectors, vectors);
    expectStatus(
      await createIndex(lake, { name, dimension: data.dimension, embedding_model: data.model }),
      201,
    );
    const items = vectors.map((vector, at) => ({ id: `v${at}`, vector }));
    expectStatus(await addItems(lake, name, items), 200);
    const found = await good(call, "search_vectors", { name, text: "nurse", k: 1 });
    expectEqual(idsOf(found.data.results), ["v1"]);
    await dropIndex(lake, name);
  });
  await check("search_matrix finds rows, and what record_playbook remembers comes first", async () => {
    await buildCorpus(lake, { name, dataset: name, id_column: "id", text_columns: ["role", "city"] });
    const query = { query_text: "operator for the forklift", corpora: [name] };
    expectEqual(idsOf((await good(call, "search_matrix", query)).data.hits)[0], "p1");
    const worked = { query_text: query.query_text, answer_id: "p3", corpus: name, score: 1 };
    const { data } = await good(call, "record_playbook", worked);
    const after = await good(call, "search_matrix", { ...query, use_playbook: true });
    expectTrue(idsOf(after.data.hits).slice(0, 2).includes("p3"), after.text);
    const { playbook_id } = data.playbook as { playbook_id: string };
    expectStatus(await lake.send(`/v1/matrix/playbooks/${playbook_id}`, { method: "DELETE" }), 200);
    await dropCorpus(lake, name);
  });
}

export const mcp: Smoke = {
  about: "the tools for agents: a client's session over stdio",
  async run(stage) {
    const lake = await stage.lake();
    const name = freshName();
    const client = await connect(lake.gateway);
    try {
      await stage.check("the official client connects and finds the tools", async () => {
        const found = (await client.listTools()).tools.map((tool) => tool.name);
        expectEqual(found, tools);
      });
      expectStatus(await ingest(lake, `name=${name}`, people), 200);
      await datasets(stage, client, name);
      await searches(stage, lake, callBy(client), name);
      await drop(lake, name);
    } finally {
      await client.close();
    }
  },
};
