/** The body of a provider's answer, read within a bound. */
import type { Clock } from "../../runtime/clock.ts";
import { failure, type ProviderFailure } from "./provider.ts";

export interface BodyLimit {
  bytesMax: number;
  /** The provider, for the message. */
  name: string;
}

const tooMuch = ({ bytesMax, name }: BodyLimit): ProviderFailure =>
  failure("bad_gateway", `${name} answered more than ${bytesMax} bytes`, "next");

const announced = (response: Response): number =>
  Number(response.headers.get("content-length") ?? Number.NaN);

/** The whole body as text. Throws a ProviderFailure beyond the bound, before reading where it is announced. */
export async function textOf(response: Response, limit: BodyLimit): Promise<string> {
  if (announced(response) > limit.bytesMax) {
    await response.body?.cancel();
    throw tooMuch(limit);
  }
  if (announced(response) >= 0) return response.text();
  const chunks: Uint8Array[] = [];
  for await (const chunk of piecesOf(response, limit)) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

/** How long a provider that said its last word may take to close the answer. */
const closingMs = 50;

export interface Pieces {
  /** Whether the answer is whole although its body has not ended. */
  isWhole: () => boolean;
  clock: Pick<Clock, "after">;
}

/**
 * The body's bytes as they come. Whoever stops reading early cancels the rest; where the answer is whole already, its
 * end is waited for a moment behind their back, so that the connection can be used again.
 */
export async function* piecesOf(
  response: Response,
  limit: BodyLimit,
  pieces?: Pieces,
): AsyncGenerator<Uint8Array> {
  if (!response.body) return;
  const reader = response.body.getReader();
  let bytes = 0;
  let isEnded = false;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      isEnded = done;
      if (done) return;
      bytes += value.length;
      if (bytes > limit.bytesMax) throw tooMuch(limit);
      yield value;
    }
  } finally {
    const leave = () => void reader.cancel().catch(() => undefined);
    if (!isEnded && pieces?.isWhole()) {
      const stop = pieces.clock.after(closingMs, leave);
      void reader
        .read()
        .then(({ done }) => (done ? undefined : leave()), leave)
        .finally(stop);
    } else if (!isEnded) leave();
  }
}

/** The same answer, whose body fails beyond the bound: for answers that a package reads. */
export function limitBody(response: Response, limit: BodyLimit): Response {
  if (!response.body || announced(response) <= limit.bytesMax) return response;
  let bytes = 0;
  const counted = new TransformStream<Uint8Array, Uint8Array>({
    transform: (chunk, controller) => {
      bytes += chunk.length;
      if (bytes <= limit.bytesMax) controller.enqueue(chunk);
      else controller.error(tooMuch(limit));
    },
  });
  const { status, headers } = response;
  return new Response(response.body.pipeThrough(counted), { status, headers });
}
