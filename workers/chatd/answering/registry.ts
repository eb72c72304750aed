/** The configured providers: created once, probed now and then for their models. */
import { fail } from "../../../runtime/errors/errors.ts";
import {
  embeddedModels,
  keyAdvice,
  lexicalModel,
  localModel,
  type ModelNames,
  noModel,
} from "../../../runtime/models/models.ts";
import type { Deps } from "../../../runtime/service/service.ts";
import { hostOf } from "../../../runtime/upstream/upstream.ts";
import { createQuota, type Quota, type SpendBook } from "../budget/budget.ts";
import {
  createOllama,
  createOpenAi,
  failure,
  type Provider,
  ProviderFailure,
  type ProviderSetting,
} from "../providers/providers.ts";

export interface Registered {
  setting: ProviderSetting;
  provider: Provider;
  quota: Quota;
  hasKey: boolean;
  /** Throws a ProviderFailure when it takes no call without a key and there is none. */
  refuseWithoutKey: (id: string) => void;
}

/** The result of the last probe of a provider. */
interface Seen {
  models: string[];
  /** Why it cannot be used; undefined when it can. */
  reason?: string;
}

interface Registry {
  get: (name: string) => Registered;
  all: () => Registered[];
  /** The state of each provider, probed at most every `seenMs`. */
  seen: () => Promise<Map<string, Seen>>;
  /** Probes one now. */
  test: (name: string) => Promise<Seen>;
}

/** How long the result of a probe is reused, and how long a probe may take. */
const seenMs = 10_000;
const probeTimeoutMs = 4000;

export function createRegistry(deps: Deps, settings: readonly ProviderSetting[], book: SpendBook): Registry {
  const registered = new Map(settings.map((setting) => [setting.name, register(deps, setting, book)]));
  let last: { at: number; seen: Promise<Map<string, Seen>> } | undefined;
  const ask = async () =>
    new Map(
      await Promise.all(
        [...registered.values()].map(
          async (each) => [each.setting.name, await probe(each, deps.clock)] as const,
        ),
      ),
    );
  const get = (name: string) => {
    const found = registered.get(name);
    if (!found) throw fail("not_found", `there is no provider '${name}'`);
    return found;
  };
  return {
    get,
    test: (name) => probe(get(name), deps.clock),
    all: () => [...registered.values()],
    seen: () => {
      const now = deps.clock.elapsed();
      if (last === undefined || now - last.at > seenMs) last = { at: now, seen: ask() };
      return last.seen;
    },
  };
}

function register(
  { config, clock, secrets, newId }: Deps,
  setting: ProviderSetting,
  book: SpendBook,
): Registered {
  const key = secrets.provider(setting.name);
  const answerBytesMax = config.chatd.answer_max_bytes;
  const options = { setting, key, clock, newId, answerBytesMax };
  const isLacking = setting.needsKey && key === undefined;
  return {
    setting,
    provider: setting.kind === "ollama" ? createOllama(options) : createOpenAi(options),
    quota: createQuota(setting, book, clock),
    hasKey: key !== undefined,
    refuseWithoutKey: (id) => {
      if (isLacking)
        throw failure(
          "bad_gateway",
          `${setting.name} at ${hostOf(setting.baseUrl)} takes no call without a key${id === "" ? "" : ` (model '${id}')`}: ${keyAdvice(setting.name)}`,
          "next",
        );
    },
  };
}

async function probe({ provider, refuseWithoutKey }: Registered, clock: Deps["clock"]): Promise<Seen> {
  const controller = new AbortController();
  const stop = clock.after(probeTimeoutMs, () =>
    controller.abort(
      failure("deadline_exceeded", `${provider.name} did not answer within ${probeTimeoutMs} ms`, "next"),
    ),
  );
  try {
    refuseWithoutKey("");
    return { models: await provider.models(controller.signal) };
  } catch (cause) {
    if (!(cause instanceof ProviderFailure)) throw cause;
    return { models: [], reason: cause.error.message };
  } finally {
    stop();
  }
}

/** Models of every provider that answers, the aliases and the model inside embedd, in OpenAI's shape. */
export async function modelList({ seen }: Pick<Registry, "seen">, names: ModelNames) {
  const data = [...(await seen())].flatMap(([provider, { models }]) =>
    models.map((model) => entry(names.idOf(provider, model), provider)),
  );
  const aliases = names.aliases.map((alias) => entry(alias, "alias"));
  const inside = [localModel, lexicalModel].map((name) => entry(name, "lakehouse"));
  return { object: "list" as const, data: [...aliases, ...inside, ...data] };
}

/** One of them by any of its names. Throws `not_found`, or why its provider is unavailable. */
export async function oneModel({ seen }: Pick<Registry, "seen">, names: ModelNames, name: string) {
  if (names.aliases.includes(name)) return entry(name, "alias");
  if (embeddedModels.has(name)) return entry(name, "lakehouse");
  const [target] = names.resolve([name]);
  const { models, reason } = (target && (await seen()).get(target.provider)) ?? { models: [] };
  if (reason !== undefined) throw fail("bad_gateway", reason, { shouldRetry: false });
  // Ollama's models without a tag are the latest.
  const found = models.find((model) => model === target?.model || model === `${target?.model}:latest`);
  if (target && found !== undefined) return entry(target.id, target.provider);
  throw fail("not_found", `there is no model '${name}': GET /models lists what there is`, {
    details: noModel,
  });
}

const entry = (id: string, owner: string) => ({ id, object: "model" as const, created: 0, owned_by: owner });
