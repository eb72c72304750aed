/** A job as server-sent events. */
import type { JobFacts, Jobs } from "./jobs.ts";

/** How often progress is told at most, and how long a stream may be silent before a comment keeps it open. */
const tickMs = 200;
const heartbeatMs = 10_000;

/** `progress` with the job whenever it changed, then one `done`, `failed` or `cancelled`. Throws `not_found` before it begins. */
export function jobEvents(jobs: Jobs, id: string, signal: AbortSignal): Response {
  jobs.get(id);
  const events = eventsOf(jobs, id, signal);
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

async function* eventsOf(jobs: Jobs, id: string, signal: AbortSignal): AsyncGenerator<string> {
  let told = "";
  let silentMs = 0;
  while (!signal.aborted) {
    const job = jobs.get(id);
    if (job.state !== "queued" && job.state !== "running") {
      yield event(job.state, job);
      return;
    }
    const seen = JSON.stringify(job);
    if (seen !== told) yield event("progress", job);
    else if (silentMs >= heartbeatMs) yield ": still at it\n\n";
    silentMs = seen !== told || silentMs >= heartbeatMs ? 0 : silentMs + tickMs;
    told = seen;
    await jobs.changed(id, tickMs);
  }
}

const event = (name: string, job: JobFacts): string => `event: ${name}\ndata: ${JSON.stringify(job)}\n\n`;
