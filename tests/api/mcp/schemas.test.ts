/** The tools' schemas are those of the contracts: nothing is written twice. */
import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import type { TSchema } from "@sinclair/typebox";
import { readArguments } from "../../../api/mcp/arguments.ts";
import { createGatewayClient } from "../../../api/mcp/gateway/client.ts";
import { derive, plain } from "../../../api/mcp/tools/schemas.ts";
import { createTools } from "../../../api/mcp/tools/tools.ts";
import { closed, inputSchemas, t } from "../../../runtime/contract/endpoints.ts";
import { systemClock } from "../../../runtime/scheduling/clock.ts";
import { catalogd } from "../../../workers/catalogd/contract.ts";
import { embedd } from "../../../workers/embedd/contract.ts";
import { matrixd } from "../../../workers/matrixd/contract.ts";
import { SqlRequest } from "../../../workers/queryd/contract.ts";
import { Hit, SearchBody, vectord } from "../../../workers/vectord/contract.ts";

const tools = createTools(
  createGatewayClient({ url: "http://127.0.0.1:9", token: () => undefined }),
  systemClock,
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
  { name: "list_datasets", input: inputSchemas(list), ownInput: [], output: [list.reply], ownOutput: [] },
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
    name: "embed_text",
    input: inputSchemas(embedd.endpoints.embed),
    ownInput: [],
    output: [embedd.endpoints.embed.reply],
    ownOutput: [],
  },
  {
    name: "search_vectors",
    input: [vectord.endpoints.info.params, SearchBody],
    ownInput: ["text"],
    output: [closed({ results: t.Array(Hit) })],
    ownOutput: ["results_omitted"],
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

  test("only record_playbook writes", () => {
    expect(tool.annotations.readOnlyHint).toBe(name !== "record_playbook");
    expect(tool.annotations.destructiveHint).toBe(false);
  });
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
