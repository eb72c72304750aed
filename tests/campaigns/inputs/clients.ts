/**
 * Makes clients of the OpenAPI document by `openapi-typescript` and `openapi-python-client`, and compiles both:
 * `bun tests/campaigns/inputs/clients.ts`. Exits 1 when one cannot be made or compiled, or an operation is missing or untyped in it.
 * Needs npm's registry, python3 and PyPI.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gateway } from "../../../api/gateway/contract.ts";
import { mounted } from "../../../api/gateway/mounted.ts";
import { openApi } from "../../../api/gateway/openapi/document.ts";
import { durable } from "../../../runtime/worker/durable-endpoints.ts";
import { type Bounds, run } from "../../../scripts/subprocess/run.ts";
import { pythonTool } from "../../support/campaigns/python-tool.ts";

const document = openApi([
  gateway,
  { contract: durable, prefix: "/v1" },
  ...Object.values(mounted).map((contract) => ({ contract, prefix: "/v1" })),
]);
const operations = Object.values(document.paths).flatMap((methods) => Object.values(methods));
const directory = mkdtempSync(join(tmpdir(), "lakehouse-clients-"));
writeFileSync(join(directory, "openapi.json"), JSON.stringify(document));
const wrong: string[] = [];

async function step(
  name: string,
  command: readonly string[],
  options: Partial<Bounds> = {},
): Promise<string> {
  const { code, out, err } = await run(command, { timeoutMs: 300_000, cwd: directory, ...options });
  if (code !== 0) wrong.push(`${name}: ${`${out}\n${err}`.trim().slice(-2000)}`);
  return `${out}\n${err}`;
}

/** Its generator works with TypeScript 5 alone, which is installed beside it. */
async function typeScript(): Promise<void> {
  const manifest = { private: true, dependencies: { "openapi-typescript": "7.13.0", typescript: "5.9.3" } };
  writeFileSync(join(directory, "package.json"), JSON.stringify(manifest));
  await step("installing openapi-typescript", [process.execPath, "install"]);
  await step("openapi-typescript", [
    process.execPath,
    "node_modules/.bin/openapi-typescript",
    "openapi.json",
    "-o",
    "client.ts",
  ]);
  const calls = operations.map(({ operationId, requestBody }) => {
    const body = requestBody ? `export const b: NotUnknown<Body<"${operationId}">> = true;` : "";
    return `{ ${body.replace("export ", "")} const r: NotUnknown<Reply<"${operationId}">> = true; void r; ${body && "void b;"} }`;
  });
  const use = `import type { operations } from "./client.ts";
type ContentOf<T> = T extends { content: infer C } ? C[keyof C] : never;
type Body<K extends keyof operations> = operations[K] extends { requestBody: infer B } ? ContentOf<B> : unknown;
type Reply<K extends keyof operations> = ContentOf<operations[K]["responses"][keyof operations[K]["responses"]]>;
type NotUnknown<T> = unknown extends T ? false : true;
${calls.join("\n")}
`;
  writeFileSync(join(directory, "use.ts"), use);
  await step("compiling the TypeScript client", [
    ...[process.execPath, "node_modules/.bin/tsc", "--noEmit", "--strict", "--skipLibCheck"],
    ...["--allowImportingTsExtensions", "use.ts"],
  ]);
}

function mediaTypesOfBytes(): Set<string> {
  const contents = operations.flatMap(({ requestBody, responses }) => [
    requestBody?.content,
    ...Object.values(responses).map(({ content }) => content),
  ]);
  const bytes = contents.flatMap((content) =>
    Object.entries(content ?? {}).filter(([, { schema }]) => schema.format === "binary"),
  );
  return new Set(bytes.map(([type]) => type));
}

async function python(): Promise<void> {
  const tool = await pythonTool("openapi-python-client", "0.29.1", "openapi-python-client");
  // It knows one media type of bytes: all of ours are that one to it.
  const overrides = [...mediaTypesOfBytes()].map((type) => `  "${type}": application/octet-stream`);
  const config = ["post_hooks: []", "content_type_overrides:", ...overrides].join("\n");
  writeFileSync(join(directory, "config.yml"), config);
  const said = await step("openapi-python-client", [
    ...[tool, "generate", "--path", "openapi.json", "--config", "config.yml", "--output-path", "python"],
  ]);
  if (/warning/i.test(said)) wrong.push(`openapi-python-client: ${said.trim().slice(0, 2000)}`);
  const files = readdirSync(join(directory, "python"), { recursive: true, encoding: "utf8" });
  const modules = files.filter((path) => /\/api\/\w+\/(?!__init__)\w+\.py$/.test(`/${path}`));
  if (modules.length !== operations.length)
    wrong.push(`openapi-python-client made ${modules.length} of ${operations.length} operations`);
  for (const path of modules) {
    const text = readFileSync(join(directory, "python", path), "utf8");
    if (/body: Any\b/.test(text)) wrong.push(`${path}: its body has no type`);
  }
  await step("compiling the Python client", [join(tool, "../python"), "-m", "compileall", "-q", "python"]);
  const [client = ""] = readdirSync(join(directory, "python")).filter((name) => name.endsWith("client"));
  const imports = modules
    .map((path) => path.replace(/\.py$/, "").replaceAll("/", "."))
    .map((name) => `import ${name}`);
  writeFileSync(join(directory, "use.py"), `${imports.join("\n")}\n`);
  await step(`importing ${client}`, [join(tool, "../python"), "../use.py"], {
    cwd: join(directory, "python"),
    env: { ...(process.env as Record<string, string>), PYTHONPATH: "." },
  });
}

await typeScript();
await python();
rmSync(directory, { recursive: true, force: true });
process.stdout.write(`${JSON.stringify({ operations: operations.length, wrong })}\n`);
process.exit(wrong.length === 0 ? 0 : 1);
