/**
 * How long a connection may be silent: between requests and within a head it has a limit, while it is served it has none,
 * and once the service stops it is not waited for.
 */

import { bufferedBody } from "../bodies/bodies.ts";
import type { Clock } from "../scheduling/scheduling.ts";

/** Longest that Bun knows, in seconds; it rounds up to the next four. Single bytes of a head do not lengthen it. */
const secondsMax = 255;

/** As Bun takes it, in seconds; without a limit its largest. */
export const idleSeconds = (ms: number | undefined): number =>
  Math.min(secondsMax, Math.ceil((ms ?? secondsMax * 1000) / 1000));

interface TimedServer {
  timeout: (request: Request, seconds: number) => void;
}

/**
 * Work and streams may be silent for long; bodies and stalled clients are watched where they are read. What is set for a
 * request stays with its connection, so that the limit has to be set again for the time after it: when its answer ends.
 */
export async function silentFor(
  server: TimedServer | null,
  request: Request,
  { idle, streams }: { idle: number; streams: boolean },
  answer: () => Promise<Response>,
): Promise<Response> {
  server?.timeout(request, 0);
  const response = await answer();
  const limit = () => server?.timeout(request, idle);
  const { status, headers } = response;
  const isBuffered =
    !streams || status >= 400 || request.method === "HEAD" || bufferedBody(response) !== undefined;
  if (server && !isBuffered && response.body !== null)
    return new Response(endingWith(response.body, limit), { status, headers });
  limit();
  return response;
}

/** The same stream; `ended` is called when the last of it was taken. */
function endingWith(body: ReadableStream<Uint8Array>, ended: () => void): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  return new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        const { value, done } = await reader.read();
        if (!done) return controller.enqueue(value);
        ended();
        controller.close();
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
}

/** How often a service that stops looks whether all is answered: Bun has no event for it. */
const stoppingLookMs = 20;

interface StoppingServer {
  pendingRequests: number;
  stop: (cut: boolean) => Promise<void>;
}

/** How long answers to what was given up, and the last events of streams, may take to leave. */
const partingMs = 500;

interface Stopping {
  giveUpSilent: () => void;
  /** Answers what has no answer. */
  giveUp: () => void;
  clock: Pick<Clock, "elapsed">;
}

/**
 * Takes no more connections and waits until what callers asked for is answered, at most `ms`. What has no answer then is
 * given one, and streams that still go on are cut a little later.
 */
export async function stopServing(
  server: StoppingServer,
  ms: number,
  { giveUpSilent, giveUp, clock }: Stopping,
): Promise<void> {
  // It ends when the last connection does, also one with half a head: that one has asked for nothing.
  void server.stop(false);
  const answered = async (limitMs: number) => {
    for (const end = clock.elapsed() + limitMs; server.pendingRequests > 0 && clock.elapsed() < end; ) {
      giveUpSilent();
      await Bun.sleep(stoppingLookMs);
    }
  };
  await answered(ms);
  giveUp();
  await answered(partingMs);
  await server.stop(true);
}
