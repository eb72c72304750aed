/**
 * Asks a product what its OpenAPI document promises, by schemathesis with all its checks but where its configuration
 * below says why not: `bun tests/campaigns/inputs/schemathesis.ts [--count 20] [--seed 1] [--only PATH] [--url URL]`. Exits 1 when
 * an answer was a server's error, or a status, header or body that the document does not know, or when a 405 lacked `Allow`.
 * Needs python3 and PyPI.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { campaignRules } from "../../support/campaigns/campaign.ts";
import { pythonTool } from "../../support/campaigns/python-tool.ts";
import { startOllama } from "../../support/model-servers/ollama.ts";
import { startProduct } from "../../support/product/product.ts";

const { count, seed, given } = campaignRules(20, ["only", "url"]);
const tool = await pythonTool("schemathesis", "4.32.5", "schemathesis");
const directory = mkdtempSync(join(tmpdir(), "lakehouse-schemathesis-"));

/** What the document cannot say, and is right: each with its reason. */
const config = `
[checks]
# A schema does not say that a statement is SQL, that a name is of something that is there, which fields exclude each other,
# which bytes are a table or a document, or how long a whole URL may be.
positive_data_acceptance.expected-statuses = ["2xx", "3xx", "400", "401", "403", "404", "406", "408", "409", "412", "415", "416", "422", "429", "431"]
negative_data_rejection.expected-statuses = ["400", "401", "403", "404", "406", "408", "409", "412", "413", "415", "416", "422", "429", "431"]
# Fields of OpenAI's API are passed on as they are: what a provider makes of them is its own.
[[operations]]
include-path-regex = "^/v1/(chat/completions|completions|responses|embeddings)"
checks.negative_data_rejection.enabled = false
# An event is more than its text.
[[operations]]
include-path-regex = "/events$"
checks.response_schema_conformance.enabled = false
# GET reads the item whose id is "scroll": such a path belongs to two endpoints, whose methods are all allowed.
[[operations]]
include-path-regex = "/(items/scroll|playbooks/consolidate|playbooks/record|profiles/rollback)$"
checks.allow_header_conformance.enabled = false
# Whether a provider has a model only the provider knows: 502 with its words.
[[operations]]
include-path = "/v1/embed"
checks.not_a_server_error.expected-statuses = ["2xx", "3xx", "4xx", "502"]
checks.positive_data_acceptance.enabled = false
`;

// Without one every question to a model would be a 502.
const ollama = await startOllama();
const productConfig = join(directory, "lakehouse.toml");
writeFileSync(productConfig, `[providers.ollama]\nbase_url = "${ollama.url}"\n`);
const own =
  given("url") === undefined ? await startProduct({ flags: ["--config", productConfig] }) : undefined;
const url = given("url") ?? own?.url ?? "";
const path = join(directory, "openapi.json");
const configPath = join(directory, "schemathesis.toml");
writeFileSync(path, await (await fetch(`${url}/v1/openapi.json`)).text());
writeFileSync(configPath, config);
const child = Bun.spawn(
  [
    ...[tool, "--config-file", configPath, "run", path, "--url", url, "--workers", "1"],
    ...["--max-examples", String(count), "--seed", String(seed), "--phases", "examples,coverage,fuzzing"],
    // About how it draws, not about what it is answered.
    ...["--request-timeout", "60", "--no-color", "--suppress-health-check", "filter_too_much"],
    ...(given("only") === undefined ? [] : ["--include-path", given("only") as string]),
  ],
  { cwd: directory, stdout: "inherit", stderr: "inherit" },
);
const code = await child.exited;
const lost = own
  ? await Promise.race([own.exited.then((ended) => `the product ended with ${ended}`), Bun.sleep(0)])
  : undefined;
if (typeof lost === "string") process.stderr.write(`${lost}\n`);
await own?.end();
await ollama.stop();
rmSync(directory, { recursive: true, force: true });
process.stdout.write(`${JSON.stringify({ count, seed, code })}\n`);
process.exit(code === 0 && typeof lost !== "string" ? 0 : 1);
