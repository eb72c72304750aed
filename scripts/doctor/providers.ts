/** Model providers and the place traces are sent to: whether they answer, with the key that is configured. */
import { type Config, defaults } from "../../runtime/config/config.ts";
import { embeddedModels, isLocal, readModelProviders } from "../../runtime/models/models.ts";
import { keyVariable, loadSecrets, type Secrets } from "../../runtime/secrets/secrets.ts";
import { type BodyLimit, fetchUpstream, textOf } from "../../runtime/upstream/upstream.ts";
import { messageOf } from "../subprocess/subprocess.ts";
import { type Check, missing, ok } from "./check.ts";

/** How long a server may take to say that it is there, in milliseconds. */
export const answerTimeoutMs = 6000;
/** Lists of models have some hundred KiB at most. */
const listLimit = (url: string): BodyLimit => ({
  bytesMax: 16 * 1024 * 1024,
  tooMuch: () => new Error(`${url} answers more than a list of models`),
});

interface Probe {
  name: string;
  required: boolean;
  probe: () => Check | Promise<Check>;
}

/** The secrets, or none where they cannot be read: the check `secrets` says why. */
function secretsOf(config: Config): Secrets {
  try {
    return loadSecrets(config.secrets_path);
  } catch {
    // The check "secrets" says why.
    return { s3: () => undefined, provider: () => undefined };
  }
}

const keyFix = (provider: string, { secrets_path }: Config): string =>
  `put [providers.${provider}] api_key into ${secrets_path}, or set ${keyVariable(provider)}`;

/** Why a request got no answer: the reason tells a wrong port from a wrong certificate. */
export const unreachable = (url: string, cause: unknown): string =>
  cause instanceof Error && cause.name === "TimeoutError"
    ? `${url} did not answer within ${answerTimeoutMs} ms`
    : `nobody answers at ${url}: ${messageOf(cause)}`;

/** The names of the models a server has. Throws what is wrong, in a few words, never the key. */
async function modelsOf(kind: unknown, base: string, key: string | undefined): Promise<string[]> {
  const url = `${base.replace(/\/+$/, "")}${kind === "ollama" ? "/api/tags" : "/models"}`;
  const headers: Record<string, string> = key === undefined ? {} : { authorization: `Bearer ${key}` };
  let response: Response;
  try {
    response = await fetchUpstream(url, {
      headers,
      signal: AbortSignal.timeout(answerTimeoutMs),
    });
  } catch (cause) {
    throw new Error(unreachable(url, cause), { cause });
  }
  const text = await textOf(response, listLimit(url));
  if (response.status === 401 || response.status === 403)
    throw new KeyRefused(`${url} refuses the key with ${response.status}`);
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  try {
    const { models, data } = JSON.parse(text) as { models?: { name: string }[]; data?: { id: string }[] };
    const names = models?.map(({ name }) => name) ?? data?.map(({ id }) => id);
    if (names !== undefined) return names;
  } catch (cause) {
    throw new Error(`${url} answers something that is no list of models: ${messageOf(cause)}`, { cause });
  }
  throw new Error(`${url} answers something that is no list of models`);
}

class KeyRefused extends Error {}

/** `nomic` of a configuration is `nomic:latest` of Ollama. */
const has = (models: readonly string[], name: string): boolean =>
  models.includes(name) || models.includes(`${name}:latest`);

/** Providers of embeddings, each where embedd asks it: required is the one of the default model. */
export function embeddingProbes(config: Config): Probe[] {
  const { default_model: id, ollama_url: ollama, openai_url: openai } = config.embedd;
  const isLocalModel = embeddedModels.has(id);
  const wanted = isLocalModel ? undefined : targetOf(id, config);
  const local: Probe = {
    name: "embedding local",
    required: isLocalModel,
    probe: () => ok("embedding local", isLocalModel, "built in"),
  };
  const asked = new Set(["ollama", "openai", wanted?.provider]);
  const providers = readModelProviders(config, { ollama, openai }).filter(({ name }) => asked.has(name));
  const probes = providers.map(({ name, kind, baseUrl: base, needsKey }) => {
    const key = secretsOf(config).provider(name);
    const isWanted = wanted?.provider === name;
    return server(`embedding ${name}`, {
      kind,
      base,
      key,
      lacksKey: needsKey && key === undefined,
      required: isWanted,
      model: isWanted ? wanted.model : undefined,
      fix: `${kind === "ollama" ? "ollama serve" : "start it"}, or correct providers.${name}.base_url`,
      keyFix: keyFix(name, config),
      config,
    });
  });
  return [local, ...probes];
}

interface Server {
  kind: unknown;
  base: string;
  key: string | undefined;
  lacksKey?: boolean;
  required: boolean;
  model: string | undefined;
  fix: string;
  keyFix: string;
  config: Config;
}

function server(name: string, { kind, base, key, lacksKey, required, model, fix, keyFix }: Server): Probe {
  const probe = async (): Promise<Check> => {
    if (lacksKey) return missing(name, required, `no key for ${base}`, keyFix);
    try {
      const models = await modelsOf(kind, base, key);
      if (model === undefined || has(models, model)) {
        const which = model === undefined ? `${models.length} models` : `has ${model}`;
        return ok(name, required, `${base}: ${which}`);
      }
      const pull =
        kind === "ollama"
          ? `ollama pull ${model}`
          : `name a model that it has: ${models.slice(0, 3).join(", ")}`;
      return missing(name, required, `${base} does not have ${model}`, pull);
    } catch (cause) {
      return missing(name, required, messageOf(cause), cause instanceof KeyRefused ? keyFix : fix);
    }
  };
  return { name, required, probe };
}

/** The provider of a configured model: `provider/model`, or a bare name, Ollama's. */
function targetOf(name: string, config: Config): { provider: string; model: string } {
  const providers = [...Object.keys(defaults().providers), ...Object.keys(config.providers)];
  const slash = name.indexOf("/");
  const provider = name.slice(0, Math.max(0, slash));
  return providers.includes(provider)
    ? { provider, model: name.slice(slash + 1) }
    : { provider: "ollama", model: name };
}

/** The providers that configured models name, by themselves or by an alias of `[models.*]`. */
function used(config: Config): { provider: string; model: string }[] {
  const names = Object.values(config.models).flatMap(({ use }) =>
    Array.isArray(use) ? use.map(String) : [],
  );
  const aliases = new Set(Object.keys(config.models));
  const asked = [config.chatd.default_model, config.observerd.review_model];
  return [...asked.filter((name) => name !== "" && !aliases.has(name)), ...names].map((name) =>
    targetOf(name, config),
  );
}

/** Chat providers: required are those a configured model names, and those somebody added. */
export function chatProbes(config: Config): Probe[] {
  const usual: Record<string, Readonly<Record<string, unknown>>> = defaults().providers;
  const wanted = used(config);
  const secrets = secretsOf(config);
  const names = [...new Set([...Object.keys(usual), ...Object.keys(config.providers)])];
  return names.flatMap((provider) => {
    const table: Record<string, unknown> = { ...usual[provider], ...config.providers[provider] };
    if (table.enabled === false || typeof table.base_url !== "string") return [];
    const key = secrets.provider(provider);
    const needsKey = table.needs_key ?? !isLocal(table.base_url);
    const models = wanted.filter((each) => each.provider === provider).map(({ model }) => model);
    return server(`chat ${provider}`, {
      kind: table.kind,
      base: table.base_url,
      key,
      lacksKey: needsKey === true && key === undefined,
      required: models.length > 0 || !Object.hasOwn(usual, provider),
      model: models[0],
      fix: `start it, correct providers.${provider}.base_url, or set enabled = false there`,
      keyFix: keyFix(provider, config),
      config,
    });
  });
}

/** Where operations are sent, as Langfuse: an empty batch is taken, or refused for its key. */
export async function otlpExport(config: Config): Promise<Check> {
  const name = "trace export";
  const { otlp_export_url: url, otlp_export_provider: provider } = config.observerd;
  if (url === "") return ok(name, false, "not configured (observerd.otlp_export_url)");
  const key = secretsOf(config).provider(provider);
  const basic = key?.includes(":") ? `Basic ${Buffer.from(key).toString("base64")}` : `Bearer ${key}`;
  try {
    const response = await fetchUpstream(url, {
      method: "POST",
      headers: { "content-type": "application/json", ...(key !== undefined && { authorization: basic }) },
      body: '{"resourceSpans":[]}',
      signal: AbortSignal.timeout(answerTimeoutMs),
    });
    await response.body?.cancel();
    if (response.ok) return ok(name, true, `${url} takes traces`);
    const refused = response.status === 401 || response.status === 403;
    const found = `${url} answered ${response.status}${key === undefined ? ", and there is no key" : ""}`;
    return missing(
      name,
      true,
      found,
      refused ? keyFix(provider, config) : "correct observerd.otlp_export_url",
    );
  } catch (cause) {
    return missing(name, true, unreachable(url, cause), "start it, or correct observerd.otlp_export_url");
  }
}
