/** `Prefer: respond-async` (RFC 7240, section 4.1): the answer is the job as soon as its file is here, and the work goes on. */
import type { RawContext } from "../../../runtime/contract/contract.ts";
import type { IngestInput, IngestParts } from "../jobs/jobs.ts";
import { ingest } from "./ingest.ts";

/**
 * Answers 202 with the job and its address when `work` says that nothing more is awaited of the client; before that as `work`
 * does, errors too. From then on the client may go away: what comes of the job is where `Location` leads.
 */
async function earlyAnswer(
  context: RawContext,
  { jobs }: Pick<IngestParts, "jobs">,
  work: (context: RawContext, onReceived: (jobId: string) => void) => Promise<Response>,
): Promise<Response> {
  const prefer = context.request.headers.get("prefer") ?? "";
  if (!/(^|,)\s*respond-async\s*($|[,;])/i.test(prefer)) return work(context, () => {});
  const own = new AbortController();
  const gone = () => own.abort(context.signal.reason);
  if (context.signal.aborted) gone();
  else context.signal.addEventListener("abort", gone, { once: true });
  const received = Promise.withResolvers<string>();
  const working = work({ ...context, signal: own.signal }, received.resolve);
  const first = await Promise.race([working, received.promise]);
  if (typeof first !== "string") return first;
  context.signal.removeEventListener("abort", gone);
  // How it ends is told by the job.
  working.catch(() => undefined);
  return new Response(JSON.stringify(jobs.get(first)), {
    status: 202,
    headers: {
      "content-type": "application/json",
      // Beside the address that was asked, whatever stands before it.
      location: `ingest/jobs/${first}`,
      "preference-applied": "respond-async",
      "x-lakehouse-job-id": first,
    },
  });
}

/** Answers POST /ingest; `within` runs the work. */
export const answerIngest = (
  input: IngestInput,
  context: RawContext,
  parts: IngestParts,
  within: (work: () => Promise<Response>) => Promise<Response>,
): Promise<Response> =>
  earlyAnswer(context, parts, (own, onReceived) => within(() => ingest(input, own, parts, onReceived)));
