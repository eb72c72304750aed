/** What a model's own files say of it: its window, and how tokens become a text. Their names are sentence-transformers'. */
import type { Pooling } from "../../runtime/onnx/onnx.ts";
import type { Source } from "./source.ts";

/** Where no file says. */
const windowUsual = 512;
/** Longer runs than this no processor of today reads in a second. */
const windowMax = 8192;

async function json(source: Source, path: string): Promise<Record<string, unknown>> {
  const text = await source.text(path);
  if (text === undefined) return {};
  try {
    return Object(JSON.parse(text)) as Record<string, unknown>;
  } catch (cause) {
    throw new Error(`${path} of ${source.title} is no JSON`, { cause });
  }
}

/** The least of the bounds that its files name. Some say a number beyond all bounds for "none". */
export async function windowOf(source: Source): Promise<number> {
  const bounds = [
    (await json(source, "sentence_bert_config.json")).max_seq_length,
    (await json(source, "tokenizer_config.json")).model_max_length,
    (await json(source, "config.json")).max_position_embeddings,
  ].filter((bound): bound is number => typeof bound === "number" && bound >= 16);
  return Math.min(windowMax, ...(bounds.length > 0 ? bounds : [windowUsual]));
}

/** Throws for a way that is not known here; `mean` where no file says. */
export async function poolingOf(source: Source): Promise<Exclude<Pooling, "none">> {
  const path = [...source.files.keys()].find((name) => /(^|\/)\d+_Pooling\/config\.json$/.test(name));
  if (path === undefined) return "mean";
  const modes = Object.entries(await json(source, path)).flatMap(([name, is]) =>
    name.startsWith("pooling_mode_") && is === true ? [name] : [],
  );
  const [mode, another] = modes;
  const known = {
    pooling_mode_mean_tokens: "mean",
    pooling_mode_cls_token: "cls",
    pooling_mode_lasttoken: "last",
  } as const;
  if (mode !== undefined && another === undefined && Object.hasOwn(known, mode))
    return known[mode as keyof typeof known];
  throw new Error(
    `${path} says ${modes.join(" and ") || "no way"} of pooling: expected one of ${Object.keys(known).join(", ")}`,
  );
}
