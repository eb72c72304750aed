/** The log of jobs: each is written when it is taken and when it has ended. */
import { ServiceError } from "../../../runtime/errors/errors.ts";
import {
  type LineLog,
  logDamageOf,
  type MarkKeeping,
  openLineLog,
} from "../../../runtime/line-log/line-log.ts";
import { describe, type Log } from "../../../runtime/telemetry/telemetry.ts";
import type { Job } from "../schemas/schemas.ts";

export type JobFacts = Job;

export interface JobsLog {
  /** The latest of each job, oldest job first. */
  known: JobFacts[];
  /** Resolves when it is on stable storage. */
  write: (facts: JobFacts) => Promise<void>;
  /** Why it is closed, for readiness. */
  problems: () => string[];
  /** Throws where it is closed: nobody can tell then which jobs there were. */
  check: () => void;
  atRest: LineLog<JobFacts>["atRest"];
  /** Writes the log anew with these alone. */
  forget: (facts: JobFacts[]) => Promise<void>;
  close: () => Promise<void>;
}

export const jobsName = "jobs.jsonl";
export const jobsFormat = { format: "lakehouse.matrix-jobs", version: 1 } as const;

/** Records in the file at which it is written anew with those that are still listed. */
const recordsMax = 2000;

/**
 * Opens the log; `listed` gives the jobs to keep when it is written anew. One that is not what was acknowledged takes
 * no jobs and knows none.
 */
export async function openJobsLog(
  path: string,
  { log, marks, adopted }: MarkKeeping & { log: Log },
  listed: () => JobFacts[],
): Promise<JobsLog> {
  const known = new Map<string, JobFacts>();
  let records = 0;
  const replay = (facts: JobFacts) => {
    records += 1;
    known.set(facts.job_id, facts);
  };
  const file = await openLineLog<JobFacts>({ path, ...jobsFormat, kept: { marks, adopted }, replay }).catch(
    (cause) => {
      if (!(cause instanceof ServiceError) || !logDamageOf(cause)) throw cause;
      log.error("the log of jobs stays closed", describe(cause));
      return cause;
    },
  );
  if (file instanceof ServiceError) return closedJobs(file);
  let problems: string[] = [];
  if (file.report.damagedCount > 0) {
    log.warn("the log of jobs has damaged lines", { ...file.report });
    problems = [
      `matrixd/${jobsName}: ${file.report.damagedCount} lines are damaged: the states of jobs in them are lost`,
    ];
  }
  return {
    known: [...known.values()],
    write: async (facts) => {
      await file.append(facts);
      if (++records < recordsMax) return;
      records = 0;
      await file.rewrite(listed());
      problems = [];
    },
    problems: () => problems,
    check: () => {},
    atRest: file.atRest,
    forget: async (facts) => {
      await file.forget(facts);
      records = facts.length;
      problems = [];
    },
    close: file.close,
  };
}

function closedJobs(why: ServiceError): JobsLog {
  const refuse = () => Promise.reject(why);
  return {
    known: [],
    write: refuse,
    problems: () => [why.message],
    check: () => {
      throw why;
    },
    atRest: refuse,
    forget: refuse,
    close: async () => {},
  };
}
