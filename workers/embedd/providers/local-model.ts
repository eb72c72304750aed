/** The provider `local`: the lexical embedding, in this thread. */
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import { createSketch, lexicalDimension, type Sketch } from "./lexical-embedding.ts";
import type { EmbedCall, Provider } from "./provider.ts";

/** Other requests of the thread get a turn after so many milliseconds of computing. */
const turnMs = 4;

/** The embedded model. It needs nothing and fails never; its one model has no name of its own. */
export function createLocalModel(clock: Pick<Clock, "elapsed">): Provider {
  /** One sketch a call at once; kept for the next. */
  const idle: Sketch[] = [];

  const embed = async ({ texts, signal }: EmbedCall) => {
    const sketch = idle.pop() ?? createSketch();
    const turn = createTurn(clock, signal);
    try {
      const vectors: Float32Array[] = [];
      for (const text of texts) {
        for (const _ of sketch.read(text)) if (turn.isOver()) await turn.next();
        const vector = new Float32Array(lexicalDimension);
        sketch.finish(vector);
        vectors.push(vector);
        if (turn.isOver()) await turn.next();
      }
      return { vectors };
    } finally {
      sketch.clear();
      idle.push(sketch);
    }
  };

  return {
    name: "local",
    // One call at once: more would only take turns. Small ones, so that a short text waits for no long list.
    limits: { texts: 256, bytes: 1024 * 1024, calls: 1 },
    open: false,
    embed,
    models: async () => [{ name: "", dimension: lexicalDimension }],
  };
}

function createTurn(clock: Pick<Clock, "elapsed">, signal: AbortSignal) {
  let began = clock.elapsed();
  return {
    isOver: () => clock.elapsed() - began > turnMs,
    next: async () => {
      await new Promise<void>((resolve) => setImmediate(resolve));
      signal.throwIfAborted();
      began = clock.elapsed();
    },
  };
}
