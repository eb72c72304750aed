/** Jobs as server-sent events. */

/** Where jobs are looked up. */
interface Followed<Job> {
  /** Throws `not_found`. */
  get: (id: string) => Job;
  /** Resolves when the job has changed, or after `ms`. */
  changed: (id: string, ms: number) => Promise<void>;
}

interface Following<Job> {
  /** True once nothing changes any more: the state is the name of the last event then. */
  isOver: (job: Job) => boolean;
  /** The stream ends when it aborts. */
  signal: AbortSignal;
}

/** The shortest time between two events of progress, and how long a stream may be silent before a comment keeps it open. */
const tickMs = 200;
const heartbeatMs = 10_000;

/**
 * `progress` with the job whenever it changed, then one event that is called as the state it ended in. That only
 * `elapsed_ms` has grown is no change. Throws `not_found` before it begins.
 */
export function jobEvents<Job extends { state: string; elapsed_ms?: number }>(
  jobs: Followed<Job>,
  id: string,
  following: Following<Job>,
): Response {
  jobs.get(id);
  const events = eventsOf(jobs, id, following);
  const text = new TextEncoder();
  const stream = new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      const { value, done } = await events.next();
      if (done) controller.close();
      else controller.enqueue(text.encode(value));
    },
    cancel: async () => {
      await events.return(undefined);
    },
  });
  return new Response(stream, {
    headers: { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-store" },
  });
}

async function* eventsOf<Job extends { state: string; elapsed_ms?: number }>(
  jobs: Followed<Job>,
  id: string,
  { isOver, signal }: Following<Job>,
): AsyncGenerator<string> {
  let sent = "";
  let silentMs = 0;
  while (!signal.aborted) {
    const job = jobs.get(id);
    if (isOver(job)) {
      yield event(job.state, job);
      return;
    }
    const { elapsed_ms: _, ...facts } = job;
    const seen = JSON.stringify(facts);
    if (seen !== sent) yield event("progress", job);
    else if (silentMs >= heartbeatMs) yield ": still at it\n\n";
    silentMs = seen !== sent || silentMs >= heartbeatMs ? 0 : silentMs + tickMs;
    sent = seen;
    await jobs.changed(id, tickMs);
  }
}

const event = (name: string, job: object): string => `event: ${name}\ndata: ${JSON.stringify(job)}\n\n`;
