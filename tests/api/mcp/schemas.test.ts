/** The tools' schemas are those of the contracts: nothing is written twice. */
import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import type { TSchema } from "@sinclair/typebox";
import { gateway } from "../../../api/gateway/contract.ts";
import { readArguments } from "../../../api/mcp/arguments.ts";
import { createGatewayClient } from "../../../api/mcp/gateway/client.ts";
import { derive, plain } from "../../../api/mcp/tools/schemas.ts";
import { createTools } from "../../../api/mcp/tools/tools.ts";
import { closed, inputSchemas, t } from "../../../runtime/contract/endpoints.ts";
import { systemClock } from "../../../runtime/scheduling/clock.ts";
import { catalogd } from "../../../workers/catalogd/contract.ts";
import { embedd } from "../../../workers/embedd/contract.ts";
import { Ingested } from "../../../workers/ingestd/contract.ts";
import { DocumentsLoaded } from "../../../workers/ingestd/schemas/documents.ts";
import { matrixd } from "../../../workers/matrixd/contract.ts";
import { pathwayd } from "../../../workers/pathwayd/contract.ts";
import { queryd, SqlRequest } from "../../../workers/queryd/contract.ts";
import { AddBody, Hit, SearchBody, vectord } from "../../../workers/vectord/contract.ts";

const tools = createTools(
  createGatewayClient({ url: "http://127.0.0.1:9", token: () => undefined }),
  systemClock,
  { writes: true },
);
const toolNamed = (name: string) => {
  const tool = tools.find((one) => one.name === name);
  if (!tool) throw new Error(`no tool ${name}`);
  return tool;
};

const { list, manifest, versions } = catalogd.endpoints;
const { search, record } = matrixd.endpoints;

/** Where each tool's input and output come from, and what is the tool's own. */
const origins: {
  name: string;
  input: TSchema[];
  ownInput: string[];
  output: TSchema[];
  ownOutput: string[];
}[] = [
  {
    ...{ name: "list_datasets", input: inputSchemas(list), ownInput: ["like"] },
    ...{ output: [list.reply], ownOutput: ["views"] },
  },
  {
    name: "get_manifest",
    input: inputSchemas(manifest),
    ownInput: [],
    output: [manifest.reply],
    ownOutput: ["columns_omitted", "objects_omitted"],
  },
  {
    name: "dataset_versions",
    input: inputSchemas(versions),
    ownInput: [],
    output: [versions.reply],
    ownOutput: [],
  },
  {
    ...{ name: "describe_dataset", input: [], ownInput: ["name", "version"] },
    ...{ output: [], ownOutput: ["columns", "columns_omitted"] },
  },
  {
    ...{ name: "sample_dataset", input: [], ownInput: ["name", "version", "rows", "columns", "random"] },
    ...{ output: [], ownOutput: ["columns", "rows", "rows_omitted"] },
  },
  {
    name: "query_sql",
    input: [SqlRequest],
    ownInput: ["page_size", "cursor"],
    output: [],
    // A stream has no reply in the contract; the tests of the tool hold it against what queryd answers.
    ownOutput: [
      ...[
        "columns",
        "rows",
        "row_count",
        "first_row",
        "rows_taken",
        "truncated",
        "elapsed_ms",
        "query_id",
        "next_cursor",
      ],
    ],
  },
  {
    ...{ name: "explain_sql", input: [SqlRequest], ownInput: [] },
    ...{ output: [], ownOutput: ["plan", "plan_truncated"] },
  },
  {
    name: "list_views",
    input: inputSchemas(queryd.endpoints.views),
    ownInput: ["like"],
    output: [queryd.endpoints.views.reply],
    ownOutput: [],
  },
  {
    name: "list_saved_queries",
    input: inputSchemas(queryd.endpoints.savedQueries),
    ownInput: ["like"],
    output: [queryd.endpoints.savedQueries.reply],
    ownOutput: [],
  },
  {
    ...{ name: "run_saved_query", input: [], ownInput: ["name", "parameters", "version"] },
    ...{ output: [], ownOutput: ["columns", "rows", "rows_omitted"] },
  },
  {
    ...{ name: "list_models", input: [], ownInput: ["like"] },
    ...{ output: [embedd.endpoints.models.reply], ownOutput: [] },
  },
  {
    name: "embed_text",
    input: inputSchemas(embedd.endpoints.embed),
    ownInput: [],
    output: [embedd.endpoints.embed.reply],
    ownOutput: [],
  },
  {
    ...{ name: "list_indexes", input: inputSchemas(vectord.endpoints.list), ownInput: ["like"] },
    ...{ output: [vectord.endpoints.list.reply], ownOutput: [] },
  },
  {
    name: "search_vectors",
    input: [vectord.endpoints.info.params, SearchBody],
    ownInput: [],
    output: [closed({ results: t.Array(Hit) })],
    ownOutput: ["results_omitted"],
  },
  {
    ...{ name: "list_corpora", input: inputSchemas(matrixd.endpoints.corpora), ownInput: ["like"] },
    ...{ output: [matrixd.endpoints.corpora.reply], ownOutput: [] },
  },
  {
    name: "search_matrix",
    input: inputSchemas(search),
    ownInput: [],
    output: [search.reply],
    ownOutput: ["hits_omitted"],
  },
  {
    name: "record_playbook",
    input: inputSchemas(record),
    ownInput: [],
    output: [record.reply],
    ownOutput: [],
  },
  {
    ...{ name: "recall", input: inputSchemas(pathwayd.endpoints.search), ownInput: [] },
    ...{ output: [pathwayd.endpoints.search.reply], ownOutput: [] },
  },
  {
    ...{ name: "ingest_text", input: [], ownInput: ["name", "text", "url", "mode"] },
    ...{ output: [Ingested], ownOutput: [] },
  },
  {
    ...{ name: "add_documents", input: [], ownInput: ["corpus", "documents", "metadata"] },
    ...{ output: [DocumentsLoaded], ownOutput: [] },
  },
  {
    ...{ name: "add_vectors", input: [vectord.endpoints.info.params, AddBody], ownInput: [] },
    ...{ output: [vectord.endpoints.add.produces["application/json"]], ownOutput: [] },
  },
  {
    ...{ name: "remember", input: [], ownInput: ["text", "details", "tags"] },
    ...{ output: [pathwayd.endpoints.addIdempotent.reply], ownOutput: [] },
  },
  {
    ...{ name: "record_feedback", input: inputSchemas(matrixd.endpoints.helpful), ownInput: ["helped"] },
    ...{ output: [matrixd.endpoints.helpful.reply], ownOutput: [] },
  },
  {
    ...{ name: "erase", input: inputSchemas(gateway.endpoints.erase), ownInput: [] },
    ...{ output: [gateway.endpoints.erase.reply], ownOutput: [] },
  },
];

const writing = [
  "record_playbook",
  "ingest_text",
  "add_documents",
  "add_vectors",
  "remember",
  "record_feedback",
  "erase",
];

/** What a tool may say differently: words for the agent, and tighter bounds. */
const refinable = ["description", "default", "maximum", "maxItems"];
const bare = (schema: unknown): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(JSON.parse(JSON.stringify(schema))).filter(([keyword]) => !refinable.includes(keyword)),
  );

/** Keywords that google-genai, the Inspector or others refuse or drop, and schemas that say nothing. */
function faultsOf(schema: Record<string, unknown>, at: string): string[] {
  const refused =
    /^(anyOf|oneOf|allOf|not|const|additionalProperties|patternProperties|prefixItems|if|\$.+)$/;
  const own = Object.keys(schema)
    .filter((keyword) => refused.test(keyword))
    .map((keyword) => `${at} has ${keyword}`);
  if (schema.type === undefined) own.push(`${at} has no type`);
  if (schema.type === "array" && schema.items === undefined) own.push(`${at} has no items`);
  const fields = Object.entries((schema.properties ?? {}) as Record<string, Record<string, unknown>>);
  const items = schema.items as Record<string, unknown> | undefined;
  return [
    ...own,
    ...fields.flatMap(([name, field]) => faultsOf(field, `${at}.${name}`)),
    ...(items ? faultsOf(items, `${at}[]`) : []),
  ];
}

test("the tools are these, in this order", () => {
  expect(tools.map(({ name }) => name)).toEqual(origins.map(({ name }) => name));
});

describe.each(origins)("$name", ({ name, input, ownInput, output, ownOutput }) => {
  const tool = toolNamed(name);
  for (const [what, schema, from, own] of [
    ["input", tool.input, input, ownInput],
    ["output", tool.output, output, ownOutput],
  ] as const) {
    test(`${what}: each field is the contract's, or one of the tool's own`, () => {
      const fields = Object.assign({}, ...from.map(({ properties }) => properties)) as Record<
        string,
        TSchema
      >;
      expect(schema.additionalProperties).toBe(false);
      const strange = Object.keys(schema.properties).filter((field) => !(field in fields));
      expect(strange.sort()).toEqual([...own].sort());
      for (const [field, property] of Object.entries(schema.properties)) {
        const origin = fields[field];
        if (origin === undefined) continue;
        expect({ field, ...bare(property) }).toEqual({ field, ...bare(origin) });
        for (const bound of ["maximum", "maxItems"]) {
          if (origin[bound] !== undefined) expect(property[bound]).toBeLessThanOrEqual(origin[bound]);
        }
      }
    });
  }

  test("output: nothing of the contract's reply is missing", () => {
    for (const schema of output) {
      expect(Object.keys(tool.output.properties)).toEqual(
        expect.arrayContaining(Object.keys(schema.properties)),
      );
      expect(tool.output.required ?? []).toEqual(expect.arrayContaining(schema.required ?? []));
    }
  });

  test("its words are for an agent", () => {
    expect(tool.description.length).toBeGreaterThan(80);
    for (const [field, property] of Object.entries(tool.input.properties)) {
      expect(`${field}: ${property.description}`).not.toEndWith("undefined");
    }
  });

  test("its schemas are in the dialect that every client takes, down to the last field", () => {
    for (const schema of [tool.input, tool.output]) {
      expect(plain(schema).type).toBe("object");
      expect(faultsOf(plain(schema), name)).toEqual([]);
    }
  });

  test("it says whether it writes, and whether it replaces what is there", () => {
    expect(tool.annotations.readOnlyHint).toBe(!writing.includes(name));
    expect(tool.annotations.destructiveHint).toBe(
      ["ingest_text", "add_documents", "add_vectors", "erase"].includes(name),
    );
  });

  test("the tool that it names to look up names is one that there is", () => {
    expect(tool.lookUp.length).toBeGreaterThan(10);
    for (const [named = ""] of tool.lookUp.matchAll(/[a-z]+_[a-z_]+/g))
      if (!/^(next_cursor|use_playbook)$/.test(named)) expect(tools.map((one) => one.name)).toContain(named);
  });
});

test("without the switch there is nothing that loads or remembers but playbooks", () => {
  const client = createGatewayClient({ url: "http://127.0.0.1:9", token: () => undefined });
  const names = createTools(client, systemClock)
    .filter(({ annotations }) => !annotations.readOnlyHint)
    .map(({ name }) => name);
  expect(names).toEqual(["record_playbook"]);
});

test("a field that the contract lost is found when the tool is made", () => {
  expect(() => derive(SqlRequest, { refine: { gone: {} } })).toThrow("the contract has no field 'gone'");
  expect(() => derive(SqlRequest, { omit: ["gone"] })).toThrow("gone");
});

test("the guide's configurations are JSON that starts this server, and it names each tool", async () => {
  const guide = await Bun.file(join(import.meta.dir, "../../../docs/mcp.md")).text();
  const blocks = [...guide.matchAll(/```json\n([\s\S]*?)```/g)].map(([, text = ""]) => JSON.parse(text));
  expect(blocks).toHaveLength(3);
  for (const { mcpServers, servers } of blocks) {
    const { command, args } = (mcpServers ?? servers).lakehouse;
    expect([command, ...args.slice(0, 4)]).toEqual(["bun", "run", "--cwd", "/path/to/lakehouse", "mcp"]);
    expect(readArguments(args.slice(4), {})).toMatchObject({ gateway: "http://127.0.0.1:3110" });
  }
  for (const { name } of tools) expect(guide).toContain(`| \`${name}\` |`);
  const { scripts } = await Bun.file(join(import.meta.dir, "../../../package.json")).json();
  expect(scripts.mcp).toBe("bun scripts/setup/setup.ts api/mcp/main.ts");
});
