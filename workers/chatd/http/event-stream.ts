/** An answer as server-sent events: each chunk at once, comments as heartbeats, and an `error` event where it breaks off. */

import { fail, type ServiceError, toWire, type WireError } from "../../../runtime/errors/errors.ts";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import type { Json } from "../schemas/schemas.ts";

const encoder = new TextEncoder();

/** How a format writes its events. */
export interface Framing {
  chunk: (chunk: Json) => string;
  /** Written at the end of a complete answer only. */
  end: () => string;
  /** Written at the end of one that broke off. */
  broken: (error: WireError) => string;
}

/** One event. */
export const event = (data: unknown, name?: string): string =>
  `${name === undefined ? "" : `event: ${name}\n`}data: ${typeof data === "string" ? data : JSON.stringify(data)}\n\n`;

interface EventStreamOptions {
  clock: Pick<Clock, "after">;
  heartbeatMs: number;
  /** Ends the answer when the reader disconnects. */
  cancel: (reason: ServiceError) => void;
  framing: Framing;
}

export function eventStream(
  chunks: AsyncGenerator<Json>,
  { clock, heartbeatMs, cancel, framing }: EventStreamOptions,
): ReadableStream<Uint8Array> {
  let next: Promise<IteratorResult<Json>> | undefined;
  /** The next chunk, or undefined after `heartbeatMs` without one. */
  const nextOrSilence = async () => {
    next ??= chunks.next();
    const silence = Promise.withResolvers<undefined>();
    const stop = clock.after(heartbeatMs, () => silence.resolve(undefined));
    try {
      return await Promise.race([next, silence.promise]);
    } finally {
      stop();
    }
  };
  return new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        const send = (text: string) => controller.enqueue(encoder.encode(text));
        try {
          const got = await nextOrSilence();
          if (got === undefined) return send(": waiting\n\n");
          next = undefined;
          if (!got.done) return send(framing.chunk(got.value));
          send(framing.end());
        } catch (cause) {
          send(framing.broken(toWire(cause)));
        }
        controller.close();
      },
      cancel: () => cancel(fail("client_closed", "the caller went away")),
    },
    { highWaterMark: 0 },
  );
}
