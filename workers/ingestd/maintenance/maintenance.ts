/** Maintenance: datasets keep themselves small and fast, by schedule and when they are asked to. */
import type { Running, VerbsOf } from "../../../runtime/contract/contract.ts";
import { fail } from "../../../runtime/errors/errors.ts";
import { createLimiter, timestamp } from "../../../runtime/scheduling/scheduling.ts";
import type { Ingestd } from "../contract.ts";
import type { IngestParts } from "../jobs/jobs.ts";
import type { Call } from "./datasets.ts";
import { createHistory } from "./history.ts";
import { type AskedRules, rulesOf } from "./rules.ts";
import { startSchedule } from "./schedule.ts";
import { createSteps } from "./steps.ts";

type Verbs = Pick<VerbsOf<Ingestd>, "maintain" | "maintainAll" | "maintenance">;

/** Callers that may wait until maintenance is free. */
const waitingMax = 16;

const refusal = (_: number, waiting: number) =>
  fail("overloaded", `maintenance runs, and ${waiting} callers wait for it`, { retryAfterSeconds: 10 });

/** Serves the verbs, and starts the schedule where the settings have one. */
export function openMaintenance(
  parts: Pick<IngestParts, "deps" | "engines" | "workDirectory" | "limiter">,
): { verbs: Verbs } & Pick<Required<Running<Ingestd>>, "stop"> {
  const { config, newId } = parts.deps;
  const history = createHistory(parts.deps);
  const steps = createSteps(parts, history);
  const stopping = new AbortController();
  const oneAtATime = createLimiter(1, { waitingMax, refusal });
  const turn = async <T>({ signal }: Pick<Call, "signal">, work: () => Promise<T>): Promise<T> => {
    const free = await oneAtATime.take(signal);
    try {
      return await work();
    } finally {
      free();
    }
  };
  const callOf = (
    { dry_run = false, sort_by = [], ...asked }: AskedRules & { dry_run?: boolean; sort_by?: string[] },
    { signal, requestId }: { signal: AbortSignal; requestId: string },
  ): Call => ({
    rules: rulesOf(config, asked),
    dryRun: dry_run,
    sortBy: sort_by,
    signal: AbortSignal.any([signal, stopping.signal]),
    requestId,
    left: new Map(),
  });
  const own = callOf({}, { signal: stopping.signal, requestId: `maintenance-${newId()}` });
  const schedule = config.catalogd.maintenance ? startSchedule(parts, { steps, turn, call: own }) : undefined;

  return {
    verbs: {
      maintain: async ({ name, ...asked }, context) => {
        const call = callOf(asked, context);
        return turn(call, async () => ({
          ...(await steps.maintain(name, call)),
          orphans: await steps.sweep(call, name),
        }));
      },
      maintainAll: async (asked, context) => {
        const call = callOf(asked, context);
        return turn(call, () => steps.maintainAll(call));
      },
      maintenance: async () => {
        const running = history.running();
        return {
          enabled: schedule !== undefined,
          ...(running && { running }),
          ...(schedule && { next_at: timestamp({ now: schedule.nextAt }) }),
          steps: history.steps(),
        };
      },
    },
    stop: async () => {
      stopping.abort(fail("unavailable", "ingestd is stopping", { retryAfterSeconds: 1 }));
      await schedule?.ended;
    },
  };
}
