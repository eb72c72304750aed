/** The embedded models, in this thread: `local`, the best there is here, and `lexical`, which knows spelling alone. */
import {
  earlierLocal,
  embeddedModels,
  lexicalDimension,
  lexicalModel,
  localModel,
} from "../../../runtime/models/models.ts";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import { createSketch, type Sketch } from "./lexical-embedding.ts";
import { createLocalSketch, localDimension } from "./local-embedding.ts";
import type { EmbedCall, Provider } from "./provider.ts";
import { readStaticVectors, type StaticVectors } from "./static-vectors.ts";

/** Numbers of a vector of a model inside, by the id that is recorded; undefined for other models. */
export const embeddedDimension = (id: string): number | undefined =>
  id === lexicalModel ? lexicalDimension : embeddedModels.has(id) ? localDimension : undefined;

/** Other requests of the thread get a turn after so many milliseconds of computing. */
const turnMs = 4;

/** The model by spelling. It needs nothing and fails never; its one model has no name of its own. */
export const createLexicalModel = (clock: Pick<Clock, "elapsed">): Provider =>
  createEmbedded(lexicalModel, lexicalDimension, clock, async () => createSketch());

/** The model by meaning. Its vectors are read when it is first asked. */
export function createLocalModel(clock: Pick<Clock, "elapsed">): Provider {
  const readings = new Map<string, Promise<StaticVectors>>();
  const sketch = async (name: string) => {
    const reading = readings.get(name) ?? readStaticVectors(name === earlierLocal ? "earlier" : "present");
    readings.set(name, reading);
    try {
      return createLocalSketch(await reading);
    } catch (cause) {
      readings.delete(name);
      throw cause;
    }
  };
  return createEmbedded(localModel, localDimension, clock, sketch);
}

function createEmbedded(
  name: string,
  dimension: number,
  clock: Pick<Clock, "elapsed">,
  createOne: (name: string) => Promise<Sketch>,
): Provider {
  /** One sketch a call at once, of each version; kept for the next. */
  const idle = new Map<string, Sketch>();

  const embed = async ({ name, texts, signal }: EmbedCall) => {
    const sketch = idle.get(name) ?? (await createOne(name));
    idle.delete(name);
    const turn = createTurn(clock, signal);
    try {
      const vectors: Float32Array[] = [];
      for (const text of texts) {
        for (const _ of sketch.read(text)) if (turn.isOver()) await turn.next();
        const vector = new Float32Array(dimension);
        sketch.finish(vector);
        vectors.push(vector);
        if (turn.isOver()) await turn.next();
      }
      return { vectors };
    } finally {
      sketch.clear();
      idle.set(name, sketch);
    }
  };

  return {
    name,
    // One call at once: more would only take turns. Small ones, so that a short text waits for no long list.
    limits: { texts: 256, bytes: 1024 * 1024, calls: 1 },
    open: false,
    embed,
    models: async () => [{ name: "", dimension }],
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
