/** How long a connection may be silent: between requests and within a head it has a limit, while it is served it has none. */
import { wholeOf } from "./whole.ts";

/** Longest that Bun knows, in seconds; it rounds up to the next four. Single bytes of a head do not lengthen it. */
const secondsMax = 255;

/** What Bun is told, in seconds; without a limit its largest. */
export const idleSeconds = (ms: number | undefined): number =>
  Math.min(secondsMax, Math.ceil((ms ?? secondsMax * 1000) / 1000));

interface TimedServer {
  timeout: (request: Request, seconds: number) => void;
}

/**
 * Work and streams may be silent for long; bodies and stalled clients are watched where they are read. What is set for a
 * request stays with its connection, so that the limit has to be set again for the time after it. A stream that began
 * keeps its connection until the next request.
 */
export async function silentFor(
  server: TimedServer | null,
  request: Request,
  { idle, streams }: { idle: number; streams: boolean },
  answer: () => Promise<Response>,
): Promise<Response> {
  server?.timeout(request, 0);
  const response = await answer();
  const isWhole = !streams || response.status >= 400 || wholeOf(response) !== undefined;
  if (isWhole) server?.timeout(request, idle);
  return response;
}
