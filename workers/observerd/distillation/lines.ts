/** The lines of a training set, one at a time. */
import type { Answer, Message, Provenance } from "./answer.ts";
import type { DistillStore, KeptAnswer } from "./working-set.ts";

/** Rejected answers that are set against the best one of a prompt. */
const rejectedMost = 8;

interface LineProvenance extends Provenance {
  verdict: Answer["verdict"];
  confidence: number;
  basis: Answer["basis"];
  at: string;
}

const provenanceOf = ({ provenance, verdict, confidence, basis, at }: KeptAnswer): LineProvenance => ({
  ...provenance,
  verdict,
  confidence,
  basis,
  at,
});

/** Chats that end with a good answer, as fine-tuning APIs take them: `{"messages": […]}`. */
export function* supervisedLines(
  store: DistillStore,
): Generator<{ messages: Message[]; provenance: LineProvenance }> {
  for (const kept of store.answers("accept")) {
    const messages: Message[] = [...kept.prompt, { role: "assistant", content: kept.answer }];
    yield { messages, provenance: provenanceOf(kept) };
  }
}

interface PreferenceLine {
  prompt: string;
  chosen: string;
  rejected: string;
  provenance: { chosen: LineProvenance; rejected: LineProvenance };
}

/**
 * The best answer of a prompt against each that was rejected. Prompts are texts, so conversations of several turns
 * have no place: they are counted in `skipped`.
 */
export function* preferenceLines(
  store: DistillStore,
  skipped: Record<string, number>,
): Generator<PreferenceLine> {
  for (const { chosen, rejected } of store.pairs(rejectedMost)) {
    if (chosen.prompt.some(({ role }) => role === "assistant")) {
      skipped.multi_turn = (skipped.multi_turn ?? 0) + 1;
      continue;
    }
    for (const other of rejected) {
      yield {
        prompt: chosen.prompt.map(({ content }) => content).join("\n\n"),
        chosen: chosen.answer,
        rejected: other.answer,
        provenance: { chosen: provenanceOf(chosen), rejected: provenanceOf(other) },
      };
    }
  }
}
