/** An answer as server-sent events: each chunk at once, comments in silence, and an `error` event where it breaks off. */
import type { Clock } from "../../runtime/clock.ts";
import { errorStatus, fail, type ServiceError, toWire } from "../../runtime/errors.ts";
import type { Json } from "./provider.ts";

const encoder = new TextEncoder();

export interface EventStreamOptions {
  clock: Pick<Clock, "after">;
  heartbeatMs: number;
  requestId: string;
  /** Ends the answer when the reader goes. */
  leave: (reason: ServiceError) => void;
  /** Data sent after the last chunk. */
  last: () => Json | undefined;
}

/** `[DONE]` stands at the end of a whole answer alone. */
export function eventStream(
  chunks: AsyncGenerator<Json>,
  options: EventStreamOptions,
): ReadableStream<Uint8Array> {
  const { clock, heartbeatMs, leave, last } = options;
  let next: Promise<IteratorResult<Json>> | undefined;
  /** The next chunk, or undefined when it lets itself be waited for. */
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
          if (!got.done) return send(`data: ${JSON.stringify(got.value)}\n\n`);
          const extra = last();
          send(`${extra ? `data: ${JSON.stringify(extra)}\n\n` : ""}data: [DONE]\n\n`);
        } catch (cause) {
          send(errorEvent(cause, options.requestId));
        }
        controller.close();
      },
      cancel: () => leave(fail("client_closed", "the caller went away")),
    },
    { highWaterMark: 0 },
  );
}

/** The product's form of errors, as an event. */
function errorEvent(cause: unknown, requestId: string): string {
  const { type, message, details } = toWire(cause);
  const error = {
    message,
    type,
    code: errorStatus[type],
    request_id: requestId,
    ...(details !== undefined && { details }),
  };
  return `event: error\ndata: ${JSON.stringify({ error })}\n\n`;
}
