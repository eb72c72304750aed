/** The verbs of corpora and their jobs. */
import type { RawOf, VerbsOf } from "../../runtime/contract.ts";
import type { Matrixd } from "./contract.ts";
import type { OpenCorpora } from "./corpora.ts";
import type { Jobs } from "./jobs.ts";
import { jobEvents } from "./jobs-events.ts";

type CorporaVerbs = Pick<
  VerbsOf<Matrixd>,
  "build" | "corpora" | "corpus" | "drop" | "jobs" | "job" | "cancel"
>;

/** Entries of a page unless told otherwise. */
const pageSizeDefault = 100;

/** What the contract says of corpora. */
export const corporaVerbs = ({ corpora, jobs }: { corpora: OpenCorpora; jobs: Jobs }): CorporaVerbs => ({
  build: (spec, { signal }) => corpora.submit(spec, signal),
  corpora: async ({ page_size: size = pageSizeDefault, page_token: after = "" }) => {
    const left = corpora.list().filter(({ name }) => name > after);
    const page = left.slice(0, size);
    const last = page.at(-1);
    return { corpora: page, ...(last && left.length > size && { next_page_token: last.name }) };
  },
  corpus: async ({ name }) => corpora.get(name),
  drop: async ({ name }) => {
    await corpora.drop(name);
    return { name };
  },
  jobs: async ({ page_size: size = pageSizeDefault, page_token: after }) => {
    const all = jobs.list();
    const start = after === undefined ? 0 : all.findIndex(({ job_id }) => job_id === after) + 1;
    const page = all.slice(start, start + size);
    const last = page.at(-1);
    return { jobs: page, ...(last && start + size < all.length && { next_page_token: last.job_id }) };
  },
  job: async ({ job_id }) => jobs.get(job_id),
  cancel: async ({ job_id }) => jobs.cancel(job_id),
});

/** Their streams, which end when `draining` aborts. */
export const corporaRaw = (jobs: Jobs, draining: AbortSignal): RawOf<Matrixd> => ({
  jobEvents: async ({ job_id }, { signal }) => jobEvents(jobs, job_id, AbortSignal.any([signal, draining])),
});
