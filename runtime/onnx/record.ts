/** `<directory>/<name>/model.json`: a model that was added, and what its files are. `bun run model add` writes it last. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Static } from "@sinclair/typebox";
import { checkTable, closed, t } from "../contract/contract.ts";
import { readOrNull, unlessAbsent } from "../durable/durable.ts";
import { fail } from "../errors/errors.ts";

const whole = t.Integer({ minimum: 1 });
const file = t.String({ minLength: 1, maxLength: 255, pattern: "^[A-Za-z0-9][A-Za-z0-9._-]*$" });

/** How the numbers of tokens become those of a text: the field's names, as sentence-transformers writes them. */
export const Pooling = t.Union([t.Literal("mean"), t.Literal("cls"), t.Literal("last"), t.Literal("none")]);
export type Pooling = Static<typeof Pooling>;

export const ModelRecord = closed({
  format: t.Literal(1),
  name: t.String(),
  /** Vectors of texts, or a score of a query and a text. */
  kind: t.Union([t.Literal("embedding"), t.Literal("reranker")]),
  /** The graph; other files of its name with an ending hold its weights. */
  graph: file,
  /** The graph's output that is read. */
  output: t.String(),
  /** `none` where the graph answers one vector a text by itself. */
  pooling: Pooling,
  dimension: t.Optional(whole),
  /** A text's numbers depend on what it is run with, as with weights quantized as they come: each is run alone. */
  alone: t.Boolean(),
  /** Most tokens of one run, with those that mark a text's ends. */
  window: whole,
  /** Where it came from, as it was named. */
  source: t.String(),
  added_at: t.String(),
  files: t.Record(file, closed({ bytes: whole, sha256: t.String({ pattern: "^[0-9a-f]{64}$" }) })),
  /** On the machine that added it. */
  measured: closed({
    texts_per_second: t.Number(),
    tokens_per_second: t.Number(),
    memory_bytes: whole,
    threads: whole,
  }),
});
export type ModelRecord = Static<typeof ModelRecord>;

export const recordFile = "model.json";
/** Names of models here: a part of a model's id and of a path. */
export const modelName = /^[a-z0-9][a-z0-9._-]{0,99}$/;

/** What a folder says of its model; undefined where no model is. Throws `corrupt` where it cannot be read. */
export async function readModelRecord(folder: string): Promise<ModelRecord | undefined> {
  const bytes = await readOrNull(join(folder, recordFile));
  if (bytes === null) return undefined;
  try {
    return checkTable(ModelRecord, JSON.parse(new TextDecoder().decode(bytes)), recordFile);
  } catch (cause) {
    throw fail(
      "corrupt",
      `${join(folder, recordFile)} cannot be read: remove the model and add it again (bun run model)`,
      { cause },
    );
  }
}

/** The models of a directory by name; one that is being added, or was half removed, is none. */
export async function listModelRecords(directory: string): Promise<ModelRecord[]> {
  const names = (await readdir(directory).catch(unlessAbsent)) ?? [];
  const records = await Promise.all(
    names
      .filter((name) => modelName.test(name))
      .sort()
      .map((name) => readModelRecord(join(directory, name))),
  );
  return records.filter((record) => record !== undefined);
}
