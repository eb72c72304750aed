/** Which models can be asked for: what every provider says, asked at once, briefly, and remembered for a while. */
import type { Clock } from "../../runtime/clock.ts";
import type { ReplyOf } from "../../runtime/contract.ts";
import { fail, ServiceError } from "../../runtime/errors.ts";
import type { Embedd } from "./contract.ts";
import type { KnownModel, Provider } from "./provider.ts";

type ModelList = ReplyOf<Embedd["endpoints"]["models"]>;

/** A provider that says nothing for so long counts as away, in milliseconds. */
const patienceMs = 2000;
/** How long an answer is given again, in milliseconds. */
const freshMs = 5000;

export interface ModelListOptions {
  providers: readonly Provider[];
  defaultModel: string;
  clock: Clock;
  /** What a model's vectors turned out to have, where its provider does not say. */
  dimensionOf: (id: string) => number | undefined;
}

/** Makes the function that lists. It never throws: a provider that does not answer is listed as such, with the reason. */
export function createModelList({ providers, defaultModel, clock, dimensionOf }: ModelListOptions) {
  let asked: { at: number; answer: Promise<[Provider, KnownModel[] | ServiceError][]> } | undefined;

  return async (): Promise<ModelList> => {
    if (!asked || clock.elapsed() - asked.at > freshMs) {
      const answers = providers.map(
        async (provider): Promise<[Provider, KnownModel[] | ServiceError]> => [
          provider,
          await ask(provider, clock),
        ],
      );
      asked = { at: clock.elapsed(), answer: Promise.all(answers) };
    }
    const answers = await asked.answer;
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

async function ask(provider: Provider, clock: Clock): Promise<KnownModel[] | ServiceError> {
  const controller = new AbortController();
  clock.sleep(patienceMs, controller.signal).then(
    () => controller.abort(fail("bad_gateway", `${provider.name} did not answer within ${patienceMs} ms`)),
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
  { name, dimension, window }: KnownModel,
  { defaultModel, dimensionOf }: Pick<ModelListOptions, "defaultModel" | "dimensionOf">,
) {
  const id = name === "" ? provider : `${provider}/${name}`;
  const length = dimension ?? dimensionOf(id);
  return {
    id,
    provider,
    ...(length !== undefined && { dimension: length }),
    ...(window !== undefined && { window }),
    is_default: id === defaultModel,
  };
}
