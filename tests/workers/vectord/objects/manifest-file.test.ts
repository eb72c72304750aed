/** The manifest as others see it while it is being replaced. */
import { expect, test } from "bun:test";
import { manifestFile } from "../../../../workers/vectord/objects/manifest-file.ts";
import { configOf } from "../../../support/vectors/journals.ts";

test("a manifest whose write is under way is one of the possible ones", async () => {
  const asked = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<{ etag: string }>();
  const store = {
    write: () => {
      asked.resolve();
      return answer.promise;
    },
  };
  const marks = { announce: async () => {}, written: () => {} };
  const manifest = { name: "a", write: "1", config: configOf("a"), incarnation: "i", base: 0, snapshots: [] };
  const file = manifestFile({ store, marks, newId: () => "2" } as never, manifest, "etag");
  const possible = () => file.possible().map(({ write }) => write);
  const changed = file.change((same) => same);
  await asked.promise;
  // An inspection may read it already: it is not another's.
  expect(possible()).toEqual(["1", "2"]);
  answer.resolve({ etag: "next" });
  await changed;
  expect(possible()).toEqual(["2"]);
});
