import { join } from "node:path";
import {
  expectEqual,
  expectError,
  expectStatus,
  expectTrue,
  type Lake,
  postJson,
  type Smoke,
} from "../smoke-product/smoke-product.ts";

const messages = [{ role: "user", content: "what is the answer?" }];
const key = "sk-smoke-key-0123456789abcdef";

/** The stand-in model server, in a process of its own: Ollama's API and OpenAI's, with faults by the model's name. */
async function startModels(): Promise<{ url: string; end: () => void }> {
  const file = join(import.meta.dir, "../../tests/support/model-servers/model-server.ts");
  const child = Bun.spawn([process.execPath, file], { stdin: "pipe", stdout: "pipe", stderr: "inherit" });
  const { value } = await child.stdout.getReader().read();
  return { url: new TextDecoder().decode(value).trim(), end: () => child.kill() };
}

const converse = (lake: Lake, body: object, path = "/v1/chat/completions") =>
  postJson(lake, path, { messages, ...body });

async function streamed(lake: Lake, model: string): Promise<string> {
  const response = await lake.open("/v1/chat/completions", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model, messages, stream: true }),
  });
  return response.text();
}

const contentOf = (body: unknown): string | undefined =>
  (body as { choices: { message: { content: string } }[] }).choices[0]?.message.content;

async function checks(
  lake: Lake,
  models: string,
  check: (what: string, work: () => Promise<void>) => Promise<void>,
): Promise<void> {
  await check("the providers say whether they can be used, and the models are listed", async () => {
    const providers = await lake.send("/v1/chat/providers");
    expectEqual(
      Object.entries(providers.body as object).filter(([, usable]) => usable),
      [
        ["ollama", true],
        ["other", true],
      ],
    );
    const list = (await lake.send("/v1/models")).body as { data: { id: string }[] };
    expectTrue(
      list.data.some(({ id }) => id === "other/good"),
      "other/good is not listed",
    );
  });
  for (const model of ["good", "other/good"]) {
    await check(`'${model}' answers, whole and in a stream`, async () => {
      const answer = await converse(lake, { model });
      expectStatus(answer, 200);
      expectEqual(contentOf(answer.body), "the answer is forty two");
      const text = await streamed(lake, model);
      expectTrue(text.trimEnd().endsWith("data: [DONE]"), text);
    });
  }
  await check("`/chat` says who answered, after a model that failed", async () => {
    const answer = await converse(lake, { models: ["other/broken", "good"] }, "/v1/chat");
    expectStatus(answer, 200);
    const { lakehouse } = answer.body as { lakehouse: { model: string; failed: { model: string }[] } };
    expectEqual([lakehouse.model, lakehouse.failed[0]?.model], ["good", "other/broken"]);
  });
  await check("a provider's limit is a 429, a missing model a 404, silence a 504", async () => {
    const own = (model: string) => converse(lake, { model }, "/v1/chat");
    expectError(await own("busy"), 429, "too_many_requests");
    expectError(await own("other/missing"), 404, "not_found");
    expectError(await own("hang"), 504, "deadline_exceeded");
  });
  await check("OpenAI's door says it in OpenAI's form", async () => {
    const { status, body } = await converse(lake, { model: "busy" });
    expectEqual([status, (body as { error: { code: string } }).error.code], [429, "rate_limit_exceeded"]);
  });
  await check("an answer that breaks off says so, and never [DONE]", async () => {
    for (const model of ["cut@2", "other/error@2", "other/silent@2"]) {
      const text = await streamed(lake, model);
      expectTrue(text.includes("event: error") && !text.includes("[DONE]"), text);
    }
  });
  await check("a prompt over Ollama's window is refused, not cut", async () => {
    const long = { messages: [{ role: "user", content: "word ".repeat(100) }], context_tokens: 64 };
    expectError(await converse(lake, { model: "good", ...long }, "/v1/chat"), 422, "unprocessable");
  });
  await check("an answer that was asked to be remembered comes back without its provider", async () => {
    const asked = { model: "good", cache: "use" };
    expectEqual((await converse(lake, asked, "/v1/chat")).headers.get("x-lakehouse-cache"), "miss");
    expectEqual((await converse(lake, asked, "/v1/chat")).headers.get("x-lakehouse-cache"), "hit");
  });
  await check("no call is left open, and no key is told", async () => {
    const details = await lake.send("/v1/chat/providers/details");
    expectTrue(!JSON.stringify(details.body).includes(key), "the key is in the details");
    const counted = await lake.send(`${models}/control/until`, { method: "POST", body: '{"active":0}' });
    expectStatus(counted, 200);
  });
}

export const chat: Smoke = {
  about:
    "conversations: providers, streams, faults, fallbacks, window, cache, over a model server of its own",
  ownProduct: true,
  async run({ check, lake: open }) {
    const models = await startModels();
    try {
      const providers = `{ ollama = { base_url = "${models.url}" }, other = { kind = "openai", base_url = "${models.url}/v1" } }`;
      const lake = await open({
        env: {
          LH_PROVIDERS: providers,
          OTHER_API_KEY: key,
          LH_CHATD_RETRY_WAIT_MS: "20",
          LH_CHATD_TOTAL_TIMEOUT_MS: "1500",
        },
      });
      await checks(lake, models.url, check);
    } finally {
      models.end();
    }
  },
};
