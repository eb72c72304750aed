/** A storaged that is started anew keeps nothing of what is being written: the ingest has done nothing, and says so. */
import { afterEach, expect, test } from "bun:test";
import { watch } from "node:fs";
import { dirname } from "node:path";
import { type IngestStack, startIngestStack } from "../../../support/stacks/ingestd.ts";

let stack: IngestStack;
/** When what is staged goes. */
let goes: "never" | "while it is written" | "before it is sealed" | "before it is stored";
const start = async () => {
  goes = "never";
  stack = await startIngestStack(
    {},
    {
      storaged: (verbs) => ({
        ...verbs,
        stage: async (...asked) => {
          const staged = await verbs.stage(...asked);
          const { token, path = "" } = staged;
          if (goes !== "while it is written") return staged;
          const watcher = watch(dirname(path), () => {
            watcher.close();
            void verbs.discard({ token });
          });
          return staged;
        },
        seal: async (asked, ...rest) => {
          if (goes === "before it is sealed") await verbs.discard(asked);
          return verbs.seal(asked, ...rest);
        },
        commit: async (asked, ...rest) => {
          if (goes === "before it is stored") await verbs.discard({ token: asked.token });
          return verbs.commit(asked, ...rest);
        },
      }),
    },
  );
};
afterEach(() => stack.stop());

const rows = Array.from({ length: 50_000 }, (_, id) => `${id},${Bun.hash(String(id))}`).join("\n");
const csv = `id,hash\n${rows}\n`;
const ways = ["while it is written", "before it is sealed", "before it is stored"] as const;

test.each(ways)("%s: 503, and nothing is left", async (when) => {
  await start();
  const parquet = (await stack.ingest("whole", csv)).answer.manifest;
  const { path } = (await stack.storaged.locate({ key: parquet.objects[0]?.key ?? "" })) as { path: string };
  for (const body of [csv, Bun.file(path)]) {
    for (const headers of [{}, { "idempotency-key": crypto.randomUUID() }]) {
      goes = when;
      const { status, error } = await stack.ingest("d", body, "", headers);
      expect([status, error.type]).toEqual([503, "unavailable"]);
      goes = "never";
      await expect(stack.catalogd.manifest({ name: "d" })).rejects.toMatchObject({ type: "not_found" });
      expect((await stack.ingest("d", body, "", headers)).answer.rows_loaded).toBe(50_000);
      await stack.catalogd.drop({ name: "d" });
    }
  }
});
