/** One request to one model: deadlines, retries, and the first token of a stream. */
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import { fetchAsSent, hostOf } from "../../../runtime/upstream/upstream.ts";
import {
  failure,
  type Provider,
  type ProviderCall,
  ProviderFailure,
  type ProviderSetting,
} from "../providers/providers.ts";
import type { Json } from "../schemas/schemas.ts";
import { createDeadline, type Deadline } from "./deadline.ts";

/** Chunks buffered before the first token, such as a role or an empty text. */
const preludeMax = 64;

interface Attempted {
  provider: Provider;
  setting: ProviderSetting;
  call: Omit<ProviderCall, "signal" | "onAnswer">;
  streamed: boolean;
}

interface AttemptOptions {
  clock: Clock;
  signal: AbortSignal;
  /** Called before each try after the first. */
  onRetry: () => void;
}

/** A complete answer, or a stream whose first token has arrived. */
export type Opened = { completion: Json; deadline: Deadline } | Begun;

interface Begun {
  completion?: undefined;
  /** Chunks up to the first token. */
  prelude: Json[];
  /** What follows; undefined when that was all. */
  rest: AsyncGenerator<Json> | undefined;
  deadline: Deadline;
}

/**
 * Tries until there is a first token or a complete answer. Throws a ProviderFailure when the retries or the time are used
 * up, and the signal's reason when that aborts.
 */
export async function attempt(asked: Attempted, { clock, signal, onRetry }: AttemptOptions): Promise<Opened> {
  const { setting, call } = asked;
  const who = `${setting.name} (model '${call.id}')`;
  const deadline = createDeadline(signal, { clock, totalMs: setting.totalTimeoutMs, who });
  const end = clock.elapsed() + setting.totalTimeoutMs;
  try {
    for (let tries = 0; ; tries++) {
      const outcome = await tried(() => once(asked, deadline, clock));
      if (!(outcome instanceof ProviderFailure)) return outcome;
      const waitMs = outcome.retryAfterMs ?? setting.retryWaitMs * 2 ** tries;
      const isWorthIt = outcome.remedy === "again" && tries < setting.retries;
      if (!isWorthIt || waitMs > setting.retryAfterMaxMs || clock.elapsed() + waitMs >= end) throw outcome;
      deadline.rest();
      await clock.sleep(waitMs, deadline.signal);
      onRetry();
    }
  } catch (cause) {
    deadline.end();
    throw deadline.signal.aborted ? deadline.signal.reason : cause;
  }
}

async function tried<T>(work: () => Promise<T>): Promise<T | ProviderFailure> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof ProviderFailure) return cause;
    throw cause;
  }
}

async function once(
  { provider, setting, call, streamed }: Attempted,
  deadline: Deadline,
  clock: Clock,
): Promise<Opened> {
  const stopProbe = connectProbe(setting, call.id, deadline, clock);
  const providerCall: ProviderCall = { ...call, signal: deadline.signal, onAnswer: stopProbe };
  try {
    if (!streamed) return { completion: await provider.complete(providerCall), deadline };
    deadline.expect(setting.firstTokenTimeoutMs, "first token");
    return await begin(provider.stream(providerCall), deadline);
  } finally {
    stopProbe();
  }
}

async function begin(stream: AsyncGenerator<Json>, deadline: Deadline): Promise<Begun> {
  const prelude: Json[] = [];
  for (;;) {
    const { done, value } = await stream.next();
    if (done) return { prelude, rest: undefined, deadline };
    prelude.push(value);
    if (hasToken(value) || prelude.length >= preludeMax) return { prelude, rest: stream, deadline };
  }
}

/** Whether a caller would see something of the answer in this chunk. */
export function hasToken({ choices }: Json): boolean {
  return (choices as Json[]).some((choice) => {
    const { role: _, ...delta } = Object(Object(choice).delta) as Json;
    return Object.values(delta).some((value) => value !== null && value !== "");
  });
}

/** Checks that a provider which has not answered for long is reachable at all. The returned function stops the check. */
function connectProbe(setting: ProviderSetting, id: string, deadline: Deadline, clock: Clock): () => void {
  const { connectTimeoutMs: ms, baseUrl, name } = setting;
  if (ms === 0) return () => {};
  let isAnswered = false;
  const stop = clock.after(ms, async () => {
    if (await isReachable(baseUrl, { ms, clock })) return;
    if (isAnswered) return;
    const why = `${name} cannot be reached at ${hostOf(baseUrl)} for model '${id}': nobody took a connection within ${ms} ms`;
    deadline.abort(failure("bad_gateway", why, "next"));
  });
  return () => {
    isAnswered = true;
    stop();
  };
}

// Whether an address is reachable. Bun's fetch has no timeout for connecting.

interface CheckOptions {
  /** For each of the two ways, in milliseconds. */
  ms: number;
  clock: Pick<Clock, "after">;
}

/**
 * Whether the address accepts a connection, which a busy server does as well, or else answers a request, which works
 * through an HTTP proxy.
 */
export async function isReachable(url: string, options: CheckOptions): Promise<boolean> {
  return (await takesConnections(url, options)) || (await answers(url, options));
}

async function takesConnections(url: string, { ms, clock }: CheckOptions): Promise<boolean> {
  const { protocol, hostname, port } = new URL(url);
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const stop = clock.after(ms, () => resolve(false));
  const connecting = Bun.connect({
    hostname: hostname.replace(/^\[|\]$/g, ""),
    port: Number(port || (protocol === "https:" ? 443 : 80)),
    socket: {
      open: (socket) => {
        resolve(true);
        socket.end();
      },
      data: () => {},
      connectError: () => resolve(false),
      error: () => resolve(false),
    },
  });
  connecting.catch(() => resolve(false));
  try {
    return await promise;
  } finally {
    stop();
  }
}

async function answers(url: string, { ms, clock }: CheckOptions): Promise<boolean> {
  const controller = new AbortController();
  const stop = clock.after(ms, () => controller.abort());
  try {
    await fetchAsSent(url, { method: "HEAD", signal: controller.signal });
    return true;
  } catch {
    return false;
  } finally {
    stop();
  }
}
