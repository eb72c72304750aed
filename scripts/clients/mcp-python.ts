/** Python's clients of MCP at /mcp: the official SDK, fastmcp, and google-genai, which makes functions of the tools. */
import { join } from "node:path";
import { findings } from "../python/python.ts";
import {
  drop,
  expectEqual,
  expectTrue,
  freshName,
  ingest,
  type Smoke,
} from "../smoke-product/smoke-product.ts";

interface PythonClient {
  about: string;
  name: string;
  packages: readonly string[];
  script: string;
}

const mcp = "mcp==2.3.0";
const fastmcpPackage = "fastmcp==4.2.3";

/** Its program says what it found; that is compared with what is there. */
const smokeOf = ({ about, name, packages, script }: PythonClient): Smoke => ({
  about,
  run: async ({ check, lake }) => {
    const product = await lake();
    const dataset = freshName();
    await ingest(product, `name=${dataset}`, "id,name\n1,Ann\n2,Bob\n");
    const found = await findings(name, { packages, script: join(import.meta.dir, script) }, [
      `${product.gateway}/mcp`,
      process.env.AUTH_TOKEN ?? "",
      dataset,
    ]);
    for (const [what, value] of Object.entries(found))
      await check(what, () => (what === "tools" ? hasTools(value) : expectEqual(value, expected[what])));
    await check("it said all that it is asked for", () =>
      expectTrue(Object.keys(found).length > 1, "it said nothing"),
    );
    await drop(product, dataset);
  },
});

const expected: Record<string, unknown> = {
  rows: [{ name: "Ann" }, { name: "Bob" }],
  refused: true,
  prompts: ["analyse_dataset", "find_candidates", "write_playbook"],
  resource: true,
  same: true,
  functions: true,
};

const hasTools = (tools: unknown) =>
  expectTrue(
    ["list_datasets", "query_sql"].every((name) => (tools as string[]).includes(name)),
    String(tools),
  );

export const mcpPython = smokeOf({
  about: "MCP's SDK for Python: tools, errors, prompts and resources over /mcp, by either protocol",
  ...{ name: "mcp-python", packages: [mcp], script: "mcp_python.py" },
});
export const fastmcp = smokeOf({
  about: "fastmcp: tools, errors, prompts and resources over /mcp",
  ...{ name: "fastmcp", packages: [fastmcpPackage], script: "fastmcp_client.py" },
});
export const googleGenai = smokeOf({
  about: "google-genai: makes functions of every tool's schema",
  ...{ name: "google-genai", packages: ["google-genai==3.6.1", fastmcpPackage], script: "google_genai.py" },
});
