/** What smokes ask of matrixd. */
import { expectStatus, expectTrue, type Lake, postJson } from "../smoke-product/smoke-product.ts";

export interface MatrixHit {
  id: string;
  corpus: string;
  score: number;
  parts: Record<string, number>;
  playbooks?: { playbook_id: string; injected: boolean; because: string }[];
}

interface Found {
  hits: MatrixHit[];
  errors: { corpus: string; type: string; message: string }[];
}

/** A search that must succeed. */
export async function matrixSearch(lake: Lake, body: object): Promise<Found> {
  const answer = await postJson(lake, "/v1/matrix/search", body);
  expectStatus(answer, 200);
  return answer.body as Found;
}

interface Job {
  state: string;
  embedded: number;
  unchanged: number;
  error?: { message: string };
}

/** Builds or refreshes a corpus and follows its events to the last one, which must tell of its success. */
export async function buildCorpus(lake: Lake, spec: object): Promise<Job> {
  const answer = await postJson(lake, "/v1/matrix/corpora", spec);
  expectStatus(answer, 202);
  const { job_id } = answer.body as { job_id: string };
  const events = await lake.send(`/v1/matrix/jobs/${job_id}/events`);
  expectStatus(events, 200);
  const [, last = "{}"] = /data: (.*)\n+$/.exec(String(events.body)) ?? [];
  const job = JSON.parse(last) as Job;
  expectTrue(job.state === "done", `the job ended as ${job.state}: ${job.error?.message}`);
  return job;
}

export async function dropCorpus({ send }: Lake, name: string): Promise<void> {
  expectStatus(await send(`/v1/matrix/corpora/${name}`, { method: "DELETE" }), 200);
}
