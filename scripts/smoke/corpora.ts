/** The requests to matrixd that several smokes make. */
import type { Lake } from "./product.ts";
import { expectStatus, expectTrue } from "./smoke.ts";
import { postJson } from "./vectors.ts";

const buildMs = 120_000;

export interface MatrixHit {
  id: string;
  corpus: string;
  score: number;
  parts: Record<string, number>;
  metadata: Record<string, unknown>;
  playbooks?: {
    playbook_id: string;
    similarity: number;
    boost: number;
    injected: boolean;
    because: string;
  }[];
}

/** Builds a corpus and waits for the end of its job, which must be good; gives the job. */
export async function buildCorpus(
  lake: Lake,
  spec: { name: string } & Record<string, unknown>,
): Promise<Record<string, unknown>> {
  const begun = await postJson(lake, "/v1/matrix/corpora", spec);
  expectStatus(begun, 202);
  const { job_id } = begun.body as { job_id: string };
  const deadline = performance.now() + buildMs;
  for (;;) {
    const answer = await lake.send(`/v1/matrix/jobs/${job_id}`);
    expectStatus(answer, 200);
    const job = answer.body as Record<string, unknown>;
    if (job.state === "done") return job;
    expectTrue(
      job.state === "queued" || job.state === "running",
      `the build ended as ${JSON.stringify(job).slice(0, 500)}`,
    );
    expectTrue(performance.now() < deadline, `the build takes longer than ${buildMs} ms`);
    await Bun.sleep(20);
  }
}

/** The hits of a search that must succeed in every corpus. */
export async function matrixHits(lake: Lake, search: object): Promise<MatrixHit[]> {
  const answer = await postJson(lake, "/v1/matrix/search", search);
  expectStatus(answer, 200);
  const { hits, errors } = answer.body as { hits: MatrixHit[]; errors: unknown[] };
  expectTrue(errors.length === 0, `corpora failed: ${JSON.stringify(errors)}`);
  return hits;
}

export async function dropCorpus({ send }: Lake, name: string): Promise<void> {
  expectStatus(await send(`/v1/matrix/corpora/${name}`, { method: "DELETE" }), 200);
}
