/**
 * The work of one engine thread, round robin: a native call for searches, a step of an exact search, a slice of a build.
 * None of them waits longer than for one of each other kind, and messages are read between any two.
 */
import type { Neighbours } from "../engine/engine.ts";
import type { Bitmap } from "../rows/rows.ts";
import type { LocalEngine } from "./local.ts";

interface Waiting {
  call: number;
  engine: LocalEngine;
  done: (value: unknown) => void;
  failed: (error: unknown) => void;
}
interface SearchJob extends Waiting {
  queries: Float32Array;
  k: number;
  ef: number;
  among?: Bitmap;
}
interface OpenSearch extends SearchJob {
  answers: Neighbours[];
}
interface ExactJob extends Waiting {
  steps: Generator<void, Neighbours[]>;
}
interface AddJob extends Waiting {
  rows: number;
  /** After each slice. */
  progress: () => void;
}

interface EngineQueue {
  search: (job: SearchJob) => void;
  exact: (job: ExactJob) => void;
  add: (job: AddJob) => void;
  /** Takes the call out, whatever it is; what is already being computed ends at its next step. */
  cancel: (call: number) => void;
  /** Fails whatever belongs to the engine. */
  drop: (engine: LocalEngine, why: unknown) => void;
}

export function createEngineQueue(): EngineQueue {
  const searches: OpenSearch[] = [];
  const exacts: ExactJob[] = [];
  const adds: AddJob[] = [];
  const queues: Waiting[][] = [searches, exacts, adds];
  const turns = [() => runSearches(searches), () => stepExact(exacts), () => addSlice(adds)];
  let next = 0;
  let scheduled = false;
  let idle = true;

  const turn = () => {
    scheduled = false;
    idle = false;
    for (let tries = 0; tries < turns.length; tries++) {
      const at = next++ % turns.length;
      if (queues[at]?.length === 0) continue;
      turns[at]?.();
      break;
    }
    idle = queues.every(({ length }) => length === 0);
    if (!idle) schedule(setImmediate);
  };
  /** The first turn comes at once; the others behind the messages that have come, so that a cancelled call is not begun. */
  const schedule = (soon: (work: () => void) => void) => {
    if (scheduled) return;
    scheduled = true;
    soon(turn);
  };
  const enter = <J extends Waiting>(queue: J[], job: J) => {
    queue.push(job);
    schedule(idle ? queueMicrotask : setImmediate);
  };
  return {
    search: (job) => enter(searches, { ...job, answers: [] }),
    exact: (job) => enter(exacts, job),
    add: (job) => enter(adds, job),
    cancel: (call) => {
      for (const queue of queues) remove(queue, (job) => job.call === call);
    },
    drop: (engine, why) => {
      for (const queue of queues) {
        for (const job of remove(queue, (one) => one.engine === engine)) job.failed(why);
      }
    },
  };
}

function remove<J extends Waiting>(queue: J[], which: (job: J) => boolean): J[] {
  const gone = queue.filter(which);
  for (const job of gone) queue.splice(queue.indexOf(job), 1);
  return gone;
}

/** All searches that wait for the same engine and the same numbers, in one native call, as many as fit a slice. */
function runSearches(searches: OpenSearch[]): void {
  const [first] = searches;
  if (first === undefined) return;
  const { engine, k, ef, among } = first;
  const { dimension } = engine.spec;
  let room = engine.queriesAtOnce();
  const parts: { job: OpenSearch; queries: Float32Array }[] = [];
  for (const job of searches) {
    if (room === 0) break;
    if (job.engine !== engine || job.k !== k || job.ef !== ef || job.among !== among) continue;
    const from = job.answers.length;
    const count = Math.min(room, job.queries.length / dimension - from);
    parts.push({ job, queries: job.queries.subarray(from * dimension, (from + count) * dimension) });
    room -= count;
  }
  const jobs = parts.map(({ job }) => job);
  try {
    const answers = engine.search?.(joined(parts.map(({ queries }) => queries)), { k, ef, among }) ?? [];
    let at = 0;
    for (const { job, queries } of parts) {
      const count = queries.length / dimension;
      job.answers.push(...answers.slice(at, at + count));
      at += count;
      if (job.answers.length * dimension === job.queries.length) {
        remove(searches, (one) => one === job);
        job.done(job.answers);
      }
    }
  } catch (error) {
    remove(searches, (one) => jobs.includes(one));
    for (const job of jobs) job.failed(error);
  }
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const [only = new Float32Array()] = parts;
  if (parts.length <= 1) return only;
  const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** One step of the job that waits longest, which then goes to the end. */
function stepExact(exacts: ExactJob[]): void {
  const job = exacts.shift();
  if (job === undefined) return;
  try {
    const { done, value } = job.steps.next();
    if (done) job.done(value);
    else exacts.push(job);
  } catch (error) {
    job.failed(error);
  }
}

function addSlice(adds: AddJob[]): void {
  const job = adds.shift();
  if (job === undefined) return;
  try {
    const isAll = job.engine.addSlice(job.rows);
    job.progress();
    if (isAll) job.done(undefined);
    else adds.push(job);
  } catch (error) {
    job.failed(error);
  }
}
