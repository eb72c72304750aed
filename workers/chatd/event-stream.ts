/** An answer as server-sent events: each chunk at once, comments in silence, and an `error` event where it breaks off. */
import type { Clock } from "../../runtime/clock.ts";
import type { ErrorForm } from "../../runtime/contract.ts";
import { errorStatus, fail, type ServiceError, toWire } from "../../runtime/errors.ts";
import { openAiError } from "../../runtime/openai-error.ts";
import type { Json } from "./provider.ts";

const encoder = new TextEncoder();

export interface EventStreamOptions {
  clock: Pick<Clock, "after">;
  heartbeatMs: number;
  requestId: string;
  /** Ends the answer when the reader goes. */
  leave: (reason: ServiceError) => void;
  /** OpenAI's errors in place of ours. */
  errors: ErrorForm | undefined;
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
          send(errorEvent(cause, options));
        }
        controller.close();
      },
      cancel: () => leave(fail("client_closed", "the caller went away")),
    },
    { highWaterMark: 0 },
  );
}

/** An error as an event, in the form of the door. */
function errorEvent(cause: unknown, { requestId, errors }: EventStreamOptions): string {
  const wire = toWire(cause);
  if (errors === "openai")
    return `event: error\ndata: ${JSON.stringify({ error: openAiError(wire, requestId).error })}\n\n`;
  const { type, message, details } = wire;
  const error = {
    message,
    type,
    code: errorStatus[type],
    request_id: requestId,
    ...(details !== undefined && { details }),
  };
  return `event: error\ndata: ${JSON.stringify({ error })}\n\n`;
}
