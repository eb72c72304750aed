/** Streams of bodies: counted on the way in, observed on the way out, never buffered whole. */
import { tooLarge } from "../../../runtime/bodies/bodies.ts";
import { fail } from "../../../runtime/errors/errors.ts";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";

/**
 * Hands the chunks on. Throws `too_large` past the limit, `bad_request` when the length is not the announced one,
 * `client_closed` when the sender went away.
 */
export async function* counted(
  body: AsyncIterable<Uint8Array>,
  {
    bytesMax,
    bytes: announced,
    signal,
  }: { bytesMax: number; bytes?: number | undefined; signal: AbortSignal },
): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  try {
    for await (const chunk of body) {
      if (signal.aborted) throw gone(signal.reason);
      bytes += chunk.length;
      if (bytes > bytesMax) throw tooLarge(0, bytesMax);
      yield chunk;
    }
  } catch (cause) {
    throw cause instanceof Error && cause.name === "AbortError" ? gone(cause) : cause;
  }
  // When the sender disconnects, the stream can end as if it were complete.
  if (signal.aborted) throw gone(signal.reason);
  if (announced !== undefined && bytes !== announced) {
    throw fail(
      "bad_request",
      `Content-Length announced ${announced} bytes, the body has ${bytes}; nothing was stored`,
    );
  }
}

const gone = (cause: unknown) =>
  fail("client_closed", "the client went away before its body was complete", { cause });

/** Rejects with `timeout` when nothing comes for `idleMs`: a stalled sender must not hold its place for ever. */
export async function* unlessStalled(
  body: ReadableStream<Uint8Array>,
  idleMs: number,
  clock: Pick<Clock, "after">,
): AsyncGenerator<Uint8Array> {
  const reader = body.getReader();
  const late = () =>
    fail("timeout", `no bytes of the body came for ${idleMs} ms; nothing was stored, send it again`);
  try {
    for (;;) {
      const { done, value } = await withTimeout(reader.read(), { ms: idleMs, late, clock });
      if (done) return;
      yield value;
    }
  } finally {
    // Not awaited: a stalled sender would stall this as well. Its rejection adds nothing.
    reader.cancel().catch(() => undefined);
  }
}

/** Grace after the deadline for data that has already arrived: a suspended process wakes up with its time over. */
const lastLookMs = 10;

/** The work's outcome, or the error made by `late` when it takes longer than `ms`. */
export async function withTimeout<T>(
  work: Promise<T>,
  { ms, late, clock }: { ms: number; late: () => Error; clock: Pick<Clock, "after"> },
): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  let cancel = clock.after(ms, () => {
    cancel = clock.after(lastLookMs, () => reject(late()));
  });
  try {
    return await Promise.race([work, promise]);
  } finally {
    cancel();
  }
}

/** The bytes of a stream in one piece; rejects when the stream errors. */
export async function collect(body: ReadableStream<Uint8Array>): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** The same stream, reporting each chunk's bytes and its failure. An error stays an error of the stream. */
export function watched(
  body: ReadableStream<Uint8Array>,
  on: { bytes: (count: number) => void; error: (error: unknown) => void },
): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  return new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        try {
          const { done, value } = await reader.read();
          if (done) return controller.close();
          on.bytes(value.length);
          controller.enqueue(value);
        } catch (error) {
          on.error(error);
          controller.error(error);
        }
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
}
