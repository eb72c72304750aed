/** What a child process does with models in ONNX's form: the contract between it and `engine.ts`. */
import { Bytes, closed, contract, internal, t } from "../contract/contract.ts";

const count = t.Integer({ minimum: 0 });
const folder = t.String();
const texts = t.Array(t.String());

export const onnxWork = contract("ONNX models", {
  look: internal({
    reads: true,
    summary: "Loads a graph and runs a text through it: its inputs, and its outputs with their sizes.",
    body: closed({ folder, graph: t.String() }),
    reply: closed({
      inputs: t.Array(t.String()),
      outputs: t.Array(closed({ name: t.String(), sizes: t.Array(count) })),
      /** Tokens of the text that was run. */
      tokens: count,
      /** The tokenizer's own bound. */
      window: t.Optional(count),
    }),
  }),
  embed: internal({
    reads: true,
    summary: "Vectors of length 1: the bytes of one Float32Array, text by text.",
    body: closed({ folder, texts }),
    reply: closed({ vectors: Bytes, dimension: count, tokens: count }),
  }),
  score: internal({
    reads: true,
    summary: "How well each text answers the query, 0 to 1. `cut`: texts of which not all was read.",
    body: closed({ folder, query: t.String(), texts }),
    reply: closed({ scores: t.Array(t.Number()), tokens: count, cut: count }),
  }),
});
export type OnnxWork = typeof onnxWork;
