/** Corpora, playbooks, jobs and profiles without a subject. */
import type { Erasing, ErasureReport } from "../../../runtime/contract/contract.ts";
import { removedAt, reportOf } from "../../../runtime/erasure/erasure.ts";
import type { OpenCorpora } from "../corpora/corpora.ts";
import type { Jobs } from "../jobs/jobs.ts";
import type { Playbooks } from "../playbooks/playbooks.ts";
import type { Profiles } from "../profiles/profiles.ts";

interface Parts {
  corpora: Pick<OpenCorpora, "erase">;
  playbooks: Pick<Playbooks, "erase">;
  jobs: Pick<Jobs, "erase">;
  profiles: Pick<Profiles, "erase">;
}

/** Their datasets are without it by now: what a corpus would be refreshed from does not bring it back. */
export async function eraseSubject(
  erasing: Erasing,
  { corpora, playbooks, jobs, profiles }: Parts,
): Promise<ErasureReport> {
  const { subject, dryRun } = erasing;
  const ofCorpora = await corpora.erase(erasing);
  const playbookCount = await playbooks.erase(subject, dryRun);
  const jobCount = await jobs.erase(subject, dryRun);
  const profileNames = await profiles.erase(subject, dryRun);
  return reportOf(
    ofCorpora,
    removedAt("matrixd/playbooks.log", "playbooks", playbookCount),
    removedAt("matrixd/jobs.jsonl", "errors of jobs", jobCount),
    {
      removed: [],
      left: profileNames.map(() => ({
        place: "matrixd/profiles.log",
        why: "a profile names it",
        remedy: "GET /v1/matrix/profiles shows it: put it anew without, or delete it, then erase again",
      })),
    },
  );
}
