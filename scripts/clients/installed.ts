/** Clients of other languages than Python: Node's from npm, Go's from its proxy, each into a folder of its own that a first run makes. */
import { copyFileSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { home, say } from "../python/python.ts";
import { expectEqual, ingest, type Smoke, type Stage } from "../smoke-product/smoke-product.ts";
import { run, runStep } from "../subprocess/subprocess.ts";
import { startServer } from "./server.ts";

interface Client {
  about: string;
  /** Beside this file. */
  program: string;
  packages: readonly string[];
  /** Written before the installation, by their names. */
  files: Record<string, string>;
  install: readonly [string, ...string[]];
  /** Without the address, which comes last. */
  start: readonly [string, ...string[]];
  finds: Record<string, unknown>;
}

const timeoutMs = 20 * 60_000;

/** The folder with the program and what it needs. Throws, with words, where the registry is not reached. */
async function installed(name: string, { packages, files, program, install }: Client): Promise<string> {
  const mark = Bun.SHA256.hash(packages.join("\n"), "hex").slice(0, 8);
  const folder = join(home(), `${name}-${mark}`);
  mkdirSync(folder, { recursive: true });
  copyFileSync(join(import.meta.dir, program), join(folder, program.endsWith(".go") ? "main.go" : program));
  if (existsSync(join(folder, "installed"))) return folder;
  for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, file), text);
  const step = {
    ...{ name: `installing ${packages.join(", ")}`, command: install, cwd: folder, timeoutMs },
    otherwise: [`fix: install ${install[0]}, and let its registry be reached; then run it again`],
  };
  if (!(await runStep(step, say))) throw new Error(`${name} could not be installed (see above)`);
  await Bun.write(join(folder, "installed"), "");
  return folder;
}

/** Runs it with the words that `place` gives, and compares what it finds. */
const smokeOf = (name: string, client: Client, place: (stage: Stage) => Promise<string[]>): Smoke => ({
  about: client.about,
  ownProduct: true,
  run: async (stage) => {
    const words = await place(stage);
    const cwd = await installed(name, client);
    const command = [...client.start, ...words] as readonly [string, ...string[]];
    const { code, out, err } = await run(command, { timeoutMs, cwd });
    if (code !== 0) throw new Error(`${name} ended with ${code}: ${out}${err}`);
    const found = JSON.parse(out) as Record<string, unknown>;
    for (const [what, value] of Object.entries(client.finds))
      await stage.check(what, () => expectEqual(found[what], value));
  },
});

const postgresPlace = async (stage: Stage): Promise<string[]> => {
  const { host, port, token } = await startServer(stage);
  return [`postgres://reader:${token}@${host}:${port}/lakehouse`];
};
const token = "a-token-of-the-clients";
const mcpPlace = async ({ start }: Stage): Promise<string[]> => {
  const product = await start({ env: { AUTH_TOKEN: token } });
  await ingest(product, "name=people", "id,name\n1,Ann\n2,Bob\n");
  return [product.gateway, token, "people"];
};

const nodePackages = [
  ...["postgres@3.4.9", "pg@8.23.1", "pg-cursor@2.22.0", "pg-query-stream@4.17.0"],
  ...["knex@3.3.0", "kysely@0.29.9", "sequelize@6.37.8", "typeorm@1.1.1"],
];
const goPackages = ["github.com/jackc/pgx/v5@v5.10.0", "github.com/lib/pq@v1.12.3"];
const byPgx = [994, "title 7", "bare", "2024-01-02", [1, 2, 3], 2, 1000];

export const node = smokeOf(
  "node",
  {
    about: "Node: postgres.js, pg's streams, Knex, Kysely, Sequelize, TypeORM",
    program: "node-client.mjs",
    packages: nodePackages,
    files: { "package.json": "{}" },
    install: ["npm", "install", "--silent", "--no-audit", "--no-fund", "--save-exact", ...nodePackages],
    start: ["node", "node-client.mjs"],
    finds: {
      postgres: { bare: "bare", any: 2, names: 3, cursor: 1000 },
      stream: 1000,
      knex: ["id,title,price,posted,active", true],
      kysely: [["things false"], 1000],
      sequelize: [5, [{ id: "3" }]],
      typeorm: ["title 3", 1000],
    },
  },
  postgresPlace,
);

const sdk = "@modelcontextprotocol/sdk@1.32.2";

export const mcpNode = smokeOf(
  "mcp-node",
  {
    about: "MCP's SDK for Node: a call and a subscription over connections that break off",
    program: "mcp-node.mjs",
    packages: [sdk],
    files: { "package.json": "{}" },
    install: ["npm", "install", "--silent", "--no-audit", "--no-fund", "--save-exact", sdk],
    start: ["node", "mcp-node.mjs"],
    finds: { broken: true, rows: 1, updated: true },
  },
  mcpPlace,
);

export const go = smokeOf(
  "go",
  {
    about: "Go: pgx in four of its ways to ask, and lib/pq",
    program: "go_client.go",
    packages: goPackages,
    files: { "go.mod": "module tried\n\ngo 1.23\n" },
    install: ["sh", "-c", `go get ${goPackages.join(" ")} && go mod tidy`],
    start: ["go", "run", "."],
    finds: {
      pq: [994, "title 7", "bare"],
      ...Object.fromEntries(
        ["cache_statement", "cache_describe", "describe_exec", "exec"].map((mode) => [mode, byPgx]),
      ),
    },
  },
  postgresPlace,
);
