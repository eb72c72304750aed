/** MCP's SDK for Node over /mcp, by a network that breaks off: mcp-node.mjs URL TOKEN DATASET, a line of JSON. */
import net from "node:net";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const [gateway, token, dataset] = process.argv.slice(2);
const { hostname, port } = new URL(gateway);
const uri = `lakehouse://datasets/${dataset}`;
const authorization = token === "" ? {} : { authorization: `Bearer ${token}` };

const sockets = new Set();
const network = net.createServer((near) => {
  const far = net.connect(Number(port), hostname);
  for (const socket of [near, far]) {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => sockets.delete(socket));
  }
  near.pipe(far).pipe(near);
});
await new Promise((resolve) => network.listen(0, "127.0.0.1", resolve));

const transport = new StreamableHTTPClientTransport(
  new URL(`http://127.0.0.1:${network.address().port}/mcp`),
  {
    requestInit: { headers: authorization },
    reconnectionOptions: {
      ...{ initialReconnectionDelay: 100, maxReconnectionDelay: 1000, reconnectionDelayGrowFactor: 1.5 },
      maxRetries: 20,
    },
  },
);
const client = new Client({ name: "mcp-node", version: "1" });
await client.connect(transport);
const updated = new Promise((resolve) => {
  client.fallbackNotificationHandler = async ({ method, params }) => {
    if (method === "notifications/resources/updated") resolve(params.uri);
  };
});
await client.subscribeResource({ uri });

let begin;
const begun = new Promise((resolve) => {
  begin = resolve;
});
const sql = "SELECT count(*) AS n FROM range(200000000) t(i) WHERE hash(i) % 7 = 3";
const answer = client.callTool({ name: "query_sql", arguments: { sql } }, undefined, {
  onprogress: begin,
  onresumptiontoken: () => undefined,
  timeout: 120_000,
});
await begun;
const broken = sockets.size;
for (const socket of [...sockets]) socket.destroy();
const { structuredContent } = await answer;

const body = new FormData();
body.set("file", new File(["id,name\n3,Kim\n"], "more.csv"));
const where = `${gateway}/v1/ingest?name=${dataset}&mode=append`;
await fetch(where, { method: "POST", headers: authorization, body });
const found = { broken: broken > 0, rows: structuredContent.rows.length, updated: (await updated) === uri };
process.stdout.write(`${JSON.stringify(found)}\n`);
await transport.terminateSession();
await client.close();
network.close();
process.exit(0);
