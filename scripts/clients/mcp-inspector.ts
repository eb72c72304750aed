/** The official Inspector's command line at /mcp. */
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { home, say } from "../python/python.ts";
import {
  drop,
  expectEqual,
  expectTrue,
  freshName,
  ingest,
  type Smoke,
} from "../smoke-product/smoke-product.ts";
import { run, runStep } from "../subprocess/subprocess.ts";

const version = "2.12.0";
const installTimeoutMs = 10 * 60_000;
const runTimeoutMs = 60_000;

/** Its program, installed first where it is missing. Throws, with words, where the registry is not reached. */
async function program(): Promise<string> {
  const folder = join(home(), `mcp-inspector-${version}`);
  const path = join(folder, "node_modules/.bin/mcp-inspector");
  if (existsSync(path)) return path;
  mkdirSync(folder, { recursive: true });
  await Bun.write(join(folder, "package.json"), "{}");
  const step = {
    name: "installing the Inspector",
    command: [
      ...([process.execPath, "add", "--exact", "--cwd", folder] as const),
      `@modelcontextprotocol/inspector@${version}`,
    ] as [string, ...string[]],
    timeoutMs: installTimeoutMs,
    otherwise: ["fix: let the npm registry be reached; then run it again"],
  };
  if (!(await runStep(step, say))) throw new Error("the Inspector could not be installed (see above)");
  return path;
}

export const mcpInspector: Smoke = {
  about:
    "the Inspector's command line: lists tools, prompts and resources, calls a tool, and looks at the schemas",
  run: async ({ check, lake }) => {
    const product = await lake();
    const dataset = freshName();
    await ingest(product, `name=${dataset}`, "id,name\n1,Ann\n2,Bob\n");
    const path = await program();
    const token = process.env.AUTH_TOKEN;
    const inspect = async (...words: string[]) => {
      const header = token === undefined ? [] : ["--header", `Authorization: Bearer ${token}`];
      const command = [process.execPath, path, "--cli", `${product.gateway}/mcp`] as const;
      const all = [...command, "--transport", "http", ...header, "--method", ...words] as const;
      const { code, out, err } = await run(all, { timeoutMs: runTimeoutMs });
      return { code, err, answer: code === 0 ? JSON.parse(out.slice(out.indexOf("{"))) : {} };
    };
    await check("no schema has an error for it", async () => {
      const { code, err, answer } = await inspect("tools/list");
      expectEqual([code, /(\d+) errors/.exec(err)?.[1] ?? "0"], [0, "0"]);
      expectTrue(answer.tools.length >= 8, `${answer.tools.length} tools`);
    });
    await check("a call with a list as an argument", async () => {
      const sql = `sql=SELECT name FROM ${dataset} WHERE id = $1`;
      const call = [
        "tools/call",
        "--tool-name",
        "query_sql",
        "--tool-arg",
        sql,
        "--tool-arg",
        "params=[2]",
      ] as const;
      const { answer } = await inspect(...call);
      expectEqual(answer.structuredContent?.rows, [{ name: "Bob" }]);
    });
    await check("prompts and resources", async () => {
      const { answer } = await inspect("prompts/list");
      expectEqual(answer.prompts?.length, 3);
      const { answer: listed } = await inspect("resources/list");
      const uris = (listed.resources as { uri: string }[]).map(({ uri }) => uri);
      expectTrue(uris.includes(`lakehouse://datasets/${dataset}`), uris.join(" "));
    });
    await drop(product, dataset);
  },
};
