/** chatd: its verbs and its endpoints for conversations, over providers, quotas and a cache. */
import type { Static } from "@sinclair/typebox";
import { readJsonObject } from "../../runtime/bodies/bodies.ts";
import type { Erasing, ErasureReport, RawContext, RawOf, Running } from "../../runtime/contract/contract.ts";
import { removedAt, reportOf } from "../../runtime/erasure/erasure.ts";
import { fail } from "../../runtime/errors/errors.ts";
import { createModelNames } from "../../runtime/models/models.ts";
import type { Deps } from "../../runtime/service/service.ts";
import {
  type Answer,
  type AnswerCache,
  answerTo,
  type Caller,
  type CallRecord,
  type Calls,
  createAnswerCache,
  createCalls,
  createObserver,
  createRegistry,
  modelList,
  oneModel,
  textIn,
} from "./answering/answering.ts";
import { openSpendBook } from "./budget/budget.ts";
import type { Chatd } from "./contract.ts";
import { type ChatRequest, type RequestOptions, readChatRequest } from "./conversation/conversation.ts";
import {
  type AnswerFormat,
  httpAnswer,
  openAiFormat,
  ownFormat,
  readTextRequest,
  textFormat,
} from "./http/http.ts";
import { readProviderSettings } from "./providers/providers.ts";
import { responses } from "./responses/responses.ts";
import type { Json } from "./schemas/schemas.ts";

/** Starts the service. Rejects when a provider or model is badly configured; none of them need answer yet. */
export async function createChatd(deps: Deps): Promise<Running<Chatd>> {
  const { config, clock, log, metrics, newId } = deps;
  const { chatd } = config;
  const settings = readProviderSettings(config);
  const names = createModelNames(
    config,
    settings.map(({ name }) => name),
  );
  const book = await openSpendBook(deps.directory, deps);
  const registry = createRegistry(deps, settings, book);
  const calls = createCalls({ kept: chatd.calls_kept, life: newId(), clock });
  const cache = createAnswerCache({ bytesMax: chatd.cache_max_bytes, ttlMs: chatd.cache_ttl_ms, clock });
  const observer = createObserver({ calls, clock, log, metrics, recordContent: chatd.record_content });
  const inFlight = () => registry.all().reduce((sum, { quota }) => sum + quota.inFlight(), 0);
  metrics.gauge("chatd_calls_in_flight", "Calls of providers in flight.", inFlight);
  metrics.gauge("chatd_cache_bytes", "Memory taken by remembered answers.", () => cache.calculatedSize);

  const lifetime = new AbortController();
  const answering = { clock, names, registered: registry.get, cache, observer, stopping: lifetime.signal };
  const answer = (chat: ChatRequest, caller: Caller) => answerTo(chat, caller, answering);
  return {
    verbs: {
      ...providerVerbs(registry, book, clock),
      model: ({ key }) => oneModel(registry, names, key),
      models: () => modelList(registry, names),
      complete: async (input, { requestId, signal }) => {
        const { completion, about } = await answer(requestOf(input, chatd.default_model), {
          requestId,
          signal,
        });
        return { text: completion ? textIn(completion) : "", model: about.target.id };
      },
      calls: ({ after, wait_ms: waitMs = 0 }, { signal }) => calls.after(after, { waitMs, signal }),
    },
    raw: conversations(deps, answer),
    notReady: book.problems,
    durable: book.durable,
    erase: forgetting(cache, calls),
    drain: calls.drain,
    giveUp: () =>
      lifetime.abort(
        fail("unavailable", "the service stopped before the answer was complete", { retryAfterSeconds: 1 }),
      ),
    stop: async () => {
      calls.drain();
      await book.close();
    },
  };
}

/** How each provider is: as it was seen lately, or now. */
const providerVerbs = (
  registry: ReturnType<typeof createRegistry>,
  book: Pick<Awaited<ReturnType<typeof openSpendBook>>, "spent">,
  clock: Pick<Deps["clock"], "elapsed">,
) => ({
  providers: async () => {
    const seen = await registry.seen();
    return Object.fromEntries([...seen].map(([name, { reason }]) => [name, reason === undefined]));
  },
  providerDetails: async () => {
    const seen = await registry.seen();
    const providers = registry.all().map(({ setting, hasKey, quota }) => {
      const reason = seen.get(setting.name)?.reason;
      const { usd, tokens } = book.spent(setting.name);
      return {
        name: setting.name,
        kind: setting.kind,
        base_url: setting.baseUrl,
        has_key: hasKey,
        reachable: reason === undefined,
        ...(reason !== undefined && { reason }),
        in_flight: quota.inFlight(),
        max_concurrent: setting.maxConcurrent,
        spent_usd: usd,
        spent_tokens: tokens,
      };
    });
    return { providers };
  },
  testProvider: async ({ name }: { name: string }) => {
    const began = clock.elapsed();
    const { models, reason } = await registry.test(name);
    return {
      name,
      reachable: reason === undefined,
      ...(reason !== undefined && { reason }),
      models: models.length,
      took_ms: clock.elapsed() - began,
    };
  },
});

/** Answers that are remembered are known by hashes of what was asked: all of them go. */
const forgetting =
  (cache: Pick<AnswerCache, "clear">, calls: Pick<Calls, "forget">) =>
  async ({ subject, dryRun }: Erasing): Promise<ErasureReport> => {
    if (!dryRun) cache.clear();
    const isMeant = ({ input, output, error }: CallRecord) => subject.isMentioned([input, output, error]);
    return reportOf(removedAt("chatd/calls", "contents of calls in memory", calls.forget(isMeant, dryRun)));
  };

/** The endpoints for conversations: each reads requests and writes answers in its own form. */
function conversations(
  { config: { chatd }, clock, newId }: Pick<Deps, "config" | "clock" | "newId">,
  answer: (chat: ChatRequest, caller: Caller) => Promise<Answer>,
): RawOf<Chatd> {
  const { max_json_bytes: bytesMax, default_model: defaultModel, heartbeat_ms: heartbeatMs } = chatd;
  const at =
    <A extends ChatRequest>(
      read: (given: Json, options: RequestOptions) => A,
      formatOf: (request: A) => AnswerFormat,
      own = false,
    ) =>
    async (_input: unknown, { request, requestId, signal }: RawContext): Promise<Response> => {
      const given = await readJsonObject(request, bytesMax);
      const chat = read(given, { own, defaultModel, headers: request.headers });
      const format = formatOf(chat);
      return httpAnswer(await answer(chat, { requestId, signal }), { format, requestId, clock, heartbeatMs });
    };
  return {
    chat: at(readChatRequest, () => ownFormat, true),
    completions: at(readChatRequest, openAiFormat),
    textCompletions: at(readTextRequest, textFormat),
    responses: at(responses.read, (chat) =>
      responses.formatOf(chat, { id: newId(), at: Math.floor(clock.now() / 1000) }),
    ),
  };
}

type Complete = Static<Chatd["endpoints"]["complete"]["body"]>;

function requestOf(
  { model, system, prompt, schema, max_tokens }: Complete,
  defaultModel: string,
): ChatRequest {
  const given = {
    model,
    messages: [
      ...(system === undefined ? [] : [{ role: "system", content: system }]),
      { role: "user", content: prompt },
    ],
    ...(max_tokens !== undefined && { max_tokens }),
    ...(schema && { response_format: { type: "json_schema", json_schema: { name: "answer", schema } } }),
  };
  return readChatRequest(given, { own: true, defaultModel, headers: new Headers() });
}
