/** The verbs of corpora and their jobs. */
import type { RawOf, VerbsOf } from "../../../runtime/contract/contract.ts";
import { jobEvents } from "../../../runtime/jobs/jobs.ts";
import { pageById, pageOf } from "../../../runtime/pages/pages.ts";
import type { Matrixd } from "../contract.ts";
import { isOver, type Jobs } from "../jobs/jobs.ts";
import type { OpenCorpora } from "./registry.ts";

type CorporaVerbs = Pick<
  VerbsOf<Matrixd>,
  "build" | "corpora" | "corpus" | "drop" | "jobs" | "job" | "cancel"
>;

/** What the contract says of corpora. */
export const corporaVerbs = ({ corpora, jobs }: { corpora: OpenCorpora; jobs: Jobs }): CorporaVerbs => ({
  build: async (spec, { signal, operation }) => {
    // The job of a request with an Idempotency-Key has its operation's id.
    const begun = operation?.again ? jobs.list().find(({ job_id }) => job_id === operation.id) : undefined;
    if (begun) return { job_id: begun.job_id, corpus: begun.corpus, refresh: begun.refresh };
    return corpora.submit(spec, signal, operation?.id);
  },
  corpora: async (asked) => {
    const { page, next } = pageById(corpora.list(), asked, ({ name }) => name);
    return { corpora: page, ...next };
  },
  corpus: async ({ name }) => corpora.get(name),
  drop: async ({ name }) => {
    await corpora.drop(name);
    return { name };
  },
  jobs: async (asked) => {
    const { page, next } = pageOf(jobs.list(), asked, ({ job_id }) => job_id);
    return { jobs: page, ...next };
  },
  job: async ({ job_id }) => jobs.get(job_id),
  cancel: async ({ job_id }) => jobs.cancel(job_id),
});

/** Their streams, which end when `draining` aborts. */
export const corporaRaw = (jobs: Jobs, draining: AbortSignal): RawOf<Matrixd> => ({
  jobEvents: async ({ job_id }, { signal }) =>
    jobEvents(jobs, job_id, { isOver, signal: AbortSignal.any([signal, draining]) }),
});
