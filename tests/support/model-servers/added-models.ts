/** Small models in ONNX's form, added as `bun run model add` does: tests/fixtures/onnx/make.py makes them. */
import { join, resolve } from "node:path";
import { defaults } from "../../../runtime/config/loading.ts";
import type { ModelRecord } from "../../../runtime/onnx/record.ts";
import { type Adding, addModel } from "../../../scripts/model/adding.ts";
import { installPackages } from "../../../scripts/model/packages.ts";
import { folderSource } from "../../../scripts/model/source.ts";

export const fixtureModels = resolve(import.meta.dir, "../../fixtures/onnx");

/** Adds `words`, which makes vectors, or `pairs`, which scores texts for a query, to embedd's models in a data directory. */
export async function addFixtureModel(
  dataDir: string,
  name: "words" | "pairs",
  more: Partial<Adding> = {},
): Promise<ModelRecord> {
  await installPackages(() => {});
  return addModel({
    name,
    source: folderSource(join(fixtureModels, name)),
    file: undefined,
    sha256: undefined,
    directory: join(dataDir, "embedd", "models"),
    settings: defaults().embedd,
    say: () => {},
    ...more,
  });
}
