/** A person's right to be forgotten: every service is swept, and what a kill or a service that is down left open goes on. */
import { Mutex } from "async-mutex";
import pMap from "p-map";
import type { Contract, Peer, VerbsOf } from "../../../runtime/contract/contract.ts";
import { checkReasons, subjectOf } from "../../../runtime/erasure/erasure.ts";
import { timestamp } from "../../../runtime/scheduling/scheduling.ts";
import type { Deps } from "../../../runtime/service/service.ts";
import { describe } from "../../../runtime/telemetry/telemetry.ts";
import type { Gateway } from "../contract.ts";
import type { Mounted } from "../mounted.ts";
import { type Erasure, type Kept, openJournal } from "./journal.ts";
import { type Asked, askedOf, askService, unasked } from "./sweep.ts";

export interface Erasures {
  verbs: Pick<VerbsOf<Gateway>, "erase" | "erasures">;
  /** Those that some service has yet to carry out. */
  open: () => Erasure[];
  problems: () => string[];
  durable: Awaited<ReturnType<typeof openJournal>>["durable"];
  stop: () => Promise<void>;
}

/** Between two tries of what is open. */
const retryMs = 5000;

/** Goes on with what an earlier run left open, in the background. */
export async function openErasures(deps: Deps<Mounted>): Promise<Erasures> {
  const { config, clock, log, newId, peers, idempotency } = deps;
  const journal = await openJournal(deps);
  const mutex = new Mutex();
  const stopping = new AbortController();
  let cancelRetry = () => {};
  const ask = (service: ReturnType<typeof askedOf>[number], asked: Asked) => {
    const within = AbortSignal.any([stopping.signal, AbortSignal.timeout(config.gateway.proxy_timeout_ms)]);
    return askService(service, peers[service] as unknown as Peer<Contract>, asked, within);
  };

  /** Asks every service that is open, and writes down what each says before the next. */
  const goOn = async (kept: Kept): Promise<Kept> => {
    const { subject, also, who, why } = kept;
    if (subject === undefined) return kept;
    let now = kept;
    for (const service of askedOf({ subject, ...(also && { also }) })) {
      const before = now.services.find((each) => each.service === service);
      if (before?.state === "done" || stopping.signal.aborted) continue;
      const ended = await ask(service, { subject, who, why, ...(also && { also }) });
      // The same again says nothing new: a service may be down for long.
      if (ended.state === "open" && ended.problem === before?.problem) continue;
      now = { ...now, services: now.services.map((each) => (each.service === service ? ended : each)) };
      await journal.write(now);
    }
    if (now.services.some(({ state }) => state === "open")) return now;
    const finished: Kept = { ...withoutSubject(now), state: "done", ended: timestamp(clock) };
    await idempotency.redact(subjectOf(subject, also).isMentioned);
    await journal.finish(finished);
    log.info("an erasure is complete", { id: finished.id });
    return finished;
  };
  const retryLater = () => {
    cancelRetry();
    if (stopping.signal.aborted || open().length === 0) return;
    cancelRetry = clock.after(retryMs, () => void retry());
  };
  const retry = async () => {
    try {
      for (const kept of open()) await mutex.runExclusive(() => goOn(kept));
    } catch (cause) {
      log.error("an erasure cannot go on; it is tried again", describe(cause));
    }
    retryLater();
  };
  const open = () => journal.all().filter(({ state }) => state === "open");

  void retry();

  return {
    verbs: {
      erase: async (input) => {
        const { subject, also, who, why, dry_run } = input;
        checkReasons({ who, why }, subjectOf(subject, also));
        if (dry_run) {
          const services = await pMap(askedOf(input), (service) => ask(service, input), { concurrency: 1 });
          return { dry_run, state: stateOf(services), services };
        }
        const begun: Kept = {
          ...{ id: newId(), at: timestamp(clock), who, why, subject, ...(also && { also }) },
          ...{ state: "open", services: unasked(askedOf(input)) },
        };
        const ended = await mutex.runExclusive(async () => {
          await journal.write(begun);
          return await goOn(begun);
        });
        retryLater();
        return { dry_run: false, ...withoutSubject(ended) };
      },
      erasures: async () => ({ erasures: journal.listed().map(withoutSubject).reverse() }),
    },
    open: () => open().map(withoutSubject),
    problems: journal.problems,
    durable: journal.durable,
    stop: async () => {
      stopping.abort();
      cancelRetry();
      await mutex.runExclusive(journal.close);
    },
  };
}

const stateOf = (services: Erasure["services"]) =>
  services.every(({ state }) => state === "done") ? ("done" as const) : ("open" as const);

function withoutSubject({ subject: _, also: __, ...erasure }: Kept): Erasure {
  return erasure;
}
