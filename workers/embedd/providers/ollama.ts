/** Ollama's native API, because its OpenAI-compatible one truncates texts that are too long. */
import pMap from "p-map";
import { fail, ServiceError } from "../../../runtime/errors/errors.ts";
import { noModel } from "../../../runtime/models/models.ts";
import {
  fetchUpstream,
  hostOf,
  passedOnSeconds,
  quoted,
  retryAfterMs,
  textOf,
} from "../../../runtime/upstream/upstream.ts";
import {
  answerLimit,
  connectionFailure,
  type EmbedCall,
  type KnownModel,
  keyRefused,
  type Provider,
  type ProviderOptions,
  refuseWithoutKey,
  TextTooLong,
  TransientFailure,
} from "./provider.ts";

/** As Ollama 0.1 to 0.40 and the llama-server inside it say that a text does not fit. */
const tooLong =
  /input (length|tokens)?\s*exceeds|exceed(s|_)\s*(the )?(available )?(maximum )?context|input is too large to process/i;
const missing = /model .*not found|try pulling/i;
const adviceFor = (name: string): string =>
  name === "ollama"
    ? "start it with 'ollama serve', or set [providers.ollama] base_url"
    : `set [providers.${name}] base_url`;

/** Bytes of an answer: for each text 64 KiB, which 4096 numbers of 16 digits take, and some more. */
const answerBytes = (texts: number): number => (texts + 16) * 65_536;

/** Models whose details are requested, and how many concurrently. */
const modelsMax = 200;
const showsAtOnce = 4;

export function createOllama(options: ProviderOptions): Provider {
  const { provider } = options;
  const ask = (path: string, asked: Asked) => {
    refuseWithoutKey(options);
    return askOllama(path, asked, options);
  };

  const embed = async ({ name, texts, signal }: EmbedCall) => {
    const id = `${provider}/${name}`;
    const body = { model: name, input: texts, truncate: false };
    const answer = await ask("/api/embed", {
      body,
      signal,
      model: id,
      bytesMax: answerBytes(texts.length),
    });
    if (answer.status !== 200) throw refused(answer, name, options);
    const { embeddings, prompt_eval_count: tokens } = parsed(answer.text, { provider, id });
    return { vectors: embeddings, ...(typeof tokens === "number" && { tokens }) };
  };

  const models = async (signal: AbortSignal): Promise<KnownModel[]> => {
    const { status, text } = await ask("/api/tags", { signal, bytesMax: answerBytes(0) });
    const list = status === 200 ? parsed(text, { provider }).models : undefined;
    if (!Array.isArray(list))
      throw fail(
        "bad_gateway",
        `${provider} at ${hostOf(options.url)} answered ${status} to /api/tags: is it Ollama?`,
      );
    const names = list
      .map((model) => String(model?.name ?? ""))
      .filter((name) => name !== "")
      .slice(0, modelsMax);
    const known = await pMap(names, (name) => show(name, signal), { concurrency: showsAtOnce });
    return known.filter((model) => model !== undefined);
  };

  /** The model's figures, or undefined when it says that it makes no embeddings. */
  const show = async (name: string, signal: AbortSignal): Promise<KnownModel | undefined> => {
    const { status, text } = await ask("/api/show", {
      body: { model: name },
      signal,
      bytesMax: answerBytes(64),
    });
    const { capabilities, model_info: info } = status === 200 ? parsed(text, { provider }) : {};
    if (Array.isArray(capabilities) && !capabilities.includes("embedding")) return undefined;
    const figure = (end: string) =>
      Object.entries(info ?? {}).find(
        ([key, value]) => key.endsWith(end) && Number.isSafeInteger(value),
      )?.[1];
    const dimension = figure(".embedding_length");
    const window = figure(".context_length");
    return {
      name,
      ...(typeof dimension === "number" && { dimension }),
      ...(typeof window === "number" && { window }),
    };
  };

  return {
    name: provider,
    limits: { texts: 64, bytes: 512 * 1024, calls: 4 },
    open: false,
    embed,
    models,
  };
}

interface Asked {
  body?: object;
  signal: AbortSignal;
  model?: string;
  bytesMax: number;
}

interface Said {
  status: number;
  headers: Headers;
  text: string;
}

async function askOllama(
  path: string,
  { body, signal, model, bytesMax }: Asked,
  { provider, url, key }: ProviderOptions,
): Promise<Said> {
  try {
    const response = await fetchUpstream(url.replace(/\/+$/, "") + path, {
      method: body ? "POST" : "GET",
      headers: {
        ...(body && { "content-type": "application/json" }),
        ...(key !== undefined && { authorization: `Bearer ${key}` }),
      },
      ...(body && { body: JSON.stringify(body) }),
      signal,
    });
    const text = await textOf(response, answerLimit(bytesMax, provider));
    return { status: response.status, headers: response.headers, text };
  } catch (cause) {
    if (signal.aborted) throw signal.reason;
    if (cause instanceof ServiceError) throw cause;
    const advice = adviceFor(provider);
    throw connectionFailure(cause, { provider, url, advice, ...(model && { model }) });
  }
}

interface OllamaAnswer {
  embeddings?: unknown;
  prompt_eval_count?: unknown;
  models?: unknown;
  capabilities?: unknown;
  model_info?: Record<string, unknown>;
  error?: unknown;
}

/** An answer with status 200 that is no JSON was cut off on the way. */
function parsed(text: string, { provider, id }: { provider: string; id?: string }): OllamaAnswer {
  try {
    return Object(JSON.parse(text)) as OllamaAnswer;
  } catch (cause) {
    const about = id === undefined ? "" : ` for model '${id}'`;
    throw new TransientFailure(
      fail("bad_gateway", `${provider}'s answer${about} was cut off or is no JSON: try again`, { cause }),
    );
  }
}

function refused(
  { status, headers, text }: Said,
  name: string,
  { provider, url, key, clock }: ProviderOptions,
): Error {
  const id = `${provider}/${name}`;
  if (status === 401 || status === 403) return keyRefused(`${provider} at ${hostOf(url)}`, status, provider);
  const words = errorOf(text);
  if (words !== undefined && tooLong.test(words))
    return new TextTooLong(`Ollama says: ${quoted(words, key)}`);
  if (status === 429 || status === 503) {
    const waitMs = retryAfterMs(headers, clock);
    const busy = `${provider} is busy (model '${id}'): ${quoted(words ?? "", key)}`;
    const type = status === 429 ? "too_many_requests" : "overloaded";
    return new TransientFailure(fail(type, busy, { retryAfterSeconds: passedOnSeconds(waitMs) }), waitMs);
  }
  if (status === 404 && words !== undefined && missing.test(words))
    return fail(
      "not_found",
      `${provider} at ${hostOf(url)} has no model '${name}'${prefixOf(name)}: run 'ollama pull ${name}'; GET /embed/models lists what there is`,
      { details: noModel },
    );
  if (words === undefined)
    return fail(
      "bad_gateway",
      `${hostOf(url)} answered ${status} to /api/embed (model '${id}'): is that an Ollama?`,
    );
  return fail("bad_gateway", `${provider} refused model '${id}' with ${status}: ${quoted(words, key)}`);
}

/** A name whose beginning was meant as a provider's. */
const prefixOf = (name: string): string =>
  name.includes("/") ? ` (and no provider is named '${quoted(name.split("/")[0] ?? "")}')` : "";

/** What Ollama says in `{"error": "…"}`, or undefined when something else answered. */
function errorOf(text: string): string | undefined {
  try {
    const { error } = Object(JSON.parse(text)) as OllamaAnswer;
    return typeof error === "string" ? error : undefined;
  } catch {
    return undefined;
  }
}
