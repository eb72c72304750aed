/** embedd: its verbs and its one OpenAI-shaped endpoint, over providers and a cache. */
import { readJson } from "../../runtime/bodies/bodies.ts";
import type { RawContext, Running } from "../../runtime/contract/contract.ts";
import { fail, final, invalidField, ServiceError } from "../../runtime/errors/errors.ts";
import { createModelNames, onnxProvider, readModelProviders } from "../../runtime/models/models.ts";
import { transferring } from "../../runtime/rpc/rpc.ts";
import type { Deps } from "../../runtime/service/service.ts";
import { type Embedd, type OpenAiBody, OpenAiRequest } from "./contract.ts";
import {
  checkTexts,
  createEmbedder,
  type Embedded,
  type Embedder,
  inputOf,
  openAiAnswer,
  shapeOf,
} from "./embedding/embedding.ts";
import {
  createLexicalModel,
  createLocalModel,
  createModelList,
  createOllama,
  createOnnx,
  createOpenAi,
  embeddedDimension,
  findModel,
  type Model,
  type Provider,
  withDimensions,
} from "./providers/providers.ts";
import { createReranking } from "./reranking/reranking.ts";

/** Starts the service. Rejects when `default_model` is no model id; providers need not answer yet. */
export async function createEmbedd(deps: Deps): Promise<Running<Embedd>> {
  const { config, clock, metrics } = deps;
  const known = knownModels(deps);
  const { providers, onnx } = known;
  const model = (id: string = config.embedd.default_model) => findModel(id, known);
  const defaultOne = defaultModel(config.embedd.default_model, known);
  const embedder = createEmbedder({ config: config.embedd, clock, metrics });
  const rerank = createReranking({ config: config.embedd, clock, metrics, model });
  const dimensionOf = (id: string) => embedder.dimensionOf(model(id));
  const models = createModelList({ providers, defaultModel: listedId(defaultOne), clock, dimensionOf });
  const limits = { textsMax: config.embedd.max_batch_texts, textBytesMax: config.embedd.max_text_bytes };

  const embed = async (
    chosen: Model,
    texts: string[],
    { name, one = false, signal }: { name: string; one?: boolean; signal: AbortSignal },
  ) => {
    const field = (at: number) => (one || at < 0 ? name : `${name}.${at}`);
    checkTexts(texts, field, limits);
    return embedder.embed(chosen, texts, { signal, field }).catch(goneIf(signal));
  };

  return {
    verbs: {
      embed: async ({ model: id, text, texts }, { signal }) => {
        if ((text === undefined) === (texts === undefined))
          throw invalidField(
            "texts",
            `expected either text or texts, got ${text === undefined ? "neither" : "both"}`,
          );
        const chosen = model(id);
        const one = text !== undefined;
        const place = { name: one ? "text" : "texts", one, signal };
        const answer = await embed(chosen, texts ?? [text ?? ""], place);
        const { dimension, rows, cached } = answer;
        return { model: chosen.id, dimension, vectors: rows.map((row) => Array.from(row)), cached };
      },
      vectorsOf: async ({ model: id, texts }, { signal }) => {
        const chosen = model(id);
        const answer = await embed(chosen, texts, { name: "texts", signal });
        const vectors = joined(answer);
        const { dimension, cached } = answer;
        return transferring({ model: chosen.id, dimension, vectors, cached }, [vectors.buffer]);
      },
      rerank: (input, { signal }) => rerank(input, signal).catch(goneIf(signal)),
      models: async () => models(),
    },
    raw: {
      embeddings: async (_input, { request, signal }: RawContext) => {
        const body: OpenAiBody = await readJson(request, OpenAiRequest, config.embedd.max_json_bytes);
        const chosen = model(body.model);
        const { ignored, ...extras } = shapeOf(chosen, body);
        const { texts, inTokens, isOne } = inputOf(body.input, chosen);
        const known = knownDimension(chosen, embedder);
        const shaped = { ...withDimensions(chosen, body.dimensions, known), ...extras, inTokens };
        const answer = await embed(shaped, texts, { name: "input", one: isOne, signal }).catch(asFinal);
        return openAiAnswer(chosen.id, answer, { format: body.encoding_format ?? "float", ignored });
      },
    },
    erase: async ({ dryRun }) => {
      if (!dryRun) embedder.forgetAll();
      return { removed: [], left: [] };
    },
    stop: async () => {
      embedder.stop(stopping());
      await onnx.stop();
    },
  };
}

/** A caller that disconnected is not a failure of this service: HTTP's signal carries another reason. */
const goneIf =
  (signal: AbortSignal) =>
  (cause: unknown): never => {
    if (!signal.aborted || cause instanceof ServiceError) throw cause;
    throw fail("client_closed", "the caller went away", { cause });
  };

const stopping = () => fail("unavailable", "the service is stopping", { retryAfterSeconds: 1 });

/** A provider's failure was already retried here: OpenAI's clients must not retry it again. */
const asFinal = (cause: unknown): never => {
  const isTried = cause instanceof ServiceError && /^(bad_gateway|deadline_exceeded)$/.test(cause.type);
  throw isTried ? final(cause) : cause;
};

/** The providers of `[providers.*]`, as chatd has them, and the model inside. */
function knownModels(deps: Deps) {
  const { config, clock, secrets } = deps;
  const { ollama_url: ollama, openai_url: openai } = config.embedd;
  const configured = readModelProviders(config, { ollama, openai });
  const names = createModelNames(config, [onnxProvider, ...configured.map(({ name }) => name)]);
  const onnx = createOnnx(deps);
  const servers = configured.map(({ name: provider, kind, baseUrl: url, needsKey }) => {
    const options = { provider, url, needsKey, key: secrets.provider(provider), clock };
    return kind === "ollama" ? createOllama(options) : createOpenAi(options);
  });
  const providers: Provider[] = [createLocalModel(clock), createLexicalModel(clock), onnx, ...servers];
  return { names, providers, onnx };
}

/** An unusable default fails the start. */
function defaultModel(id: string, known: Parameters<typeof findModel>[1]): Model {
  try {
    return findModel(id, known);
  } catch (cause) {
    throw new Error(`embedd.default_model: ${(cause as Error).message}`, { cause });
  }
}

/** The dimension of the model's vectors; that of a model inside is known before its first use. */
const knownDimension = (model: Model, embedder: Embedder): number | undefined =>
  embeddedDimension(model.id) ?? embedder.dimensionOf(model);

/** A model inside is listed by the name that it is asked for. */
const listedId = ({ id, name, provider }: Model): string => (name === "" ? provider.name : id);

/** All vectors, row by row, in a buffer of their own. */
function joined({ rows, dimension }: Embedded): Uint8Array<ArrayBuffer> {
  const all = new Float32Array(rows.length * dimension);
  for (const [at, row] of rows.entries()) all.set(row, at * dimension);
  return new Uint8Array(all.buffer);
}
