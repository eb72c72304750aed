/** The models of all providers: probed concurrently with a short timeout, and cached for a few seconds. */

import type { ReplyOf } from "../../../runtime/contract/contract.ts";
import { fail, ServiceError } from "../../../runtime/errors/errors.ts";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import type { Embedd } from "../contract.ts";
import type { KnownModel, Provider } from "./provider.ts";

type ModelList = ReplyOf<Embedd["endpoints"]["models"]>;

/** A provider that does not answer in time counts as unavailable, in milliseconds. */
const probeTimeoutMs = 2000;
/** How long the result of a probe is reused, in milliseconds. */
const cachedMs = 5000;

interface ModelListOptions {
  providers: readonly Provider[];
  defaultModel: string;
  clock: Clock;
  /** The dimension observed in vectors, where the provider reports none. */
  dimensionOf: (id: string) => number | undefined;
}

/** Makes the function that lists. It never throws: a provider that does not answer is listed as such, with the reason. */
export function createModelList({ providers, defaultModel, clock, dimensionOf }: ModelListOptions) {
  let probed: { at: number; answer: Promise<[Provider, KnownModel[] | ServiceError][]> } | undefined;

  return async (): Promise<ModelList> => {
    if (!probed || clock.elapsed() - probed.at > cachedMs) {
      const answers = providers.map(
        async (provider): Promise<[Provider, KnownModel[] | ServiceError]> => [
          provider,
          await probe(provider, clock),
        ],
      );
      probed = { at: clock.elapsed(), answer: Promise.all(answers) };
    }
    const answers = await probed.answer;
    return {
      models: answers.flatMap(([provider, models]) =>
        models instanceof ServiceError
          ? []
          : models.map((model) => infoOf(provider.name, model, { defaultModel, dimensionOf })),
      ),
      providers: answers.map(([{ name }, models]) =>
        models instanceof ServiceError
          ? { name, available: false, reason: models.message }
          : { name, available: true },
      ),
    };
  };
}

async function probe(provider: Provider, clock: Clock): Promise<KnownModel[] | ServiceError> {
  const controller = new AbortController();
  clock.sleep(probeTimeoutMs, controller.signal).then(
    () =>
      controller.abort(fail("bad_gateway", `${provider.name} did not answer within ${probeTimeoutMs} ms`)),
    () => {},
  );
  try {
    return await provider.models(controller.signal);
  } catch (cause) {
    if (cause instanceof ServiceError) return cause;
    return fail("bad_gateway", `${provider.name} does not list its models`, { cause });
  } finally {
    controller.abort();
  }
}

function infoOf(
  provider: string,
  { name, dimension, window, reranks }: KnownModel,
  { defaultModel, dimensionOf }: Pick<ModelListOptions, "defaultModel" | "dimensionOf">,
) {
  const id = name === "" ? provider : `${provider}/${name}`;
  const length = dimension ?? dimensionOf(id);
  return {
    id,
    provider,
    ...(length !== undefined && { dimension: length }),
    ...(window !== undefined && { window }),
    ...(reranks && { reranks }),
    is_default: id === defaultModel,
  };
}
