/** What a child process with FAISS does for an index: the contract between it and `learning.ts`. */
import { Type } from "@sinclair/typebox";
import { closed, contract, internal, t } from "../../../runtime/contract/contract.ts";
import type { EngineSpec } from "../engine/engine.ts";

const made = { spec: Type.Unsafe<EngineSpec>(Type.Unknown()), factory: t.String() };

export const faissWork = contract("FAISS of vectord", {
  probe: internal({
    summary: "Refuses a type that FAISS does not make at this dimension.",
    body: closed(made),
    reply: t.Null(),
  }),
  train: internal({
    summary:
      "Writes an index without rows to `start`, trained on the f32 rows in `sample`, and tries it with some of them.",
    body: closed({ ...made, sample: t.String(), start: t.String() }),
    reply: t.Null(),
  }),
});
export type FaissWork = typeof faissWork;
