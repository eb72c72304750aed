/** observerd: its verbs over the log of operations, and the loops beside them. */
import type { Running, VerbsOf } from "../../runtime/contract/contract.ts";
import { bothSnapshots, type Durable, holdFiles } from "../../runtime/durable/durable.ts";
import { unlessFound } from "../../runtime/idempotency/idempotency.ts";
import type { Deps } from "../../runtime/service/service.ts";
import { currentTrace } from "../../runtime/trace-context/trace-context.ts";
import type { Chatd } from "../chatd/contract.ts";
import type { Matrixd } from "../matrixd/contract.ts";
import type { Pathwayd } from "../pathwayd/contract.ts";
import type { Queryd } from "../queryd/contract.ts";
import type { Storaged } from "../storaged/contract.ts";
import type { Observerd, Operation } from "./contract.ts";
import { createStatistics, offerOperations } from "./dataset/dataset.ts";
import { openDistillation } from "./distillation/distillation.ts";
import { eraseSubject } from "./erasure/erasure.ts";
import { startExport } from "./export/export.ts";
import {
  type ChatCalls,
  errorAnalysis,
  escalation,
  followChatCalls,
  type Loop,
  type Loops,
  overseerCorrections,
  startLoops,
} from "./loops/loops.ts";
import {
  eventsPage,
  failuresPage,
  inspectOperations,
  measureOperations,
  type OperationsStore,
  openOperations,
} from "./operations/operations.ts";
import { otlpStreams } from "./otlp/otlp.ts";
import { inspectReviews, openReviews, type Reviews, reviewsName, reviewVerbs } from "./reviews/reviews.ts";

export type ObserverdDeps = Deps<{
  storaged: Storaged;
  pathwayd: Pathwayd;
  matrixd: Matrixd;
  chatd: Chatd;
  queryd: Queryd;
}>;

/** Starts the service: it answers for all it ever recorded when this resolves. Peers need not run. */
export async function createObserverd(deps: ObserverdDeps): Promise<Running<Observerd>> {
  const operations = await openOperations(deps);
  for (const recorded of operations.recent()) deps.idempotency.found(recorded.id, () => answerOf(recorded));
  const reviews = await openReviews(deps);
  const parts = { deps, operations, reviews };
  measureOperations(operations, deps);
  const exported = startExport(parts);
  const chat = deps.config.observerd.chat_calls ? followChat(operations, deps) : undefined;
  const distillation = openDistillation(parts);
  const offered = offerOperations(operations, {
    ...deps,
    verbs: deps.peers.queryd.verbs,
    catchUp: async () => chat?.catchUp(),
  });
  const loops = startLoops(backgroundLoops(operations, deps), deps);

  return {
    verbs: {
      ...operationVerbs({ operations, chat, loops, deps }),
      ...reviewVerbs(parts),
      ...distillation.verbs,
    },
    raw: otlpStreams(parts),
    notReady: () => [...operations.problems(), ...reviews.problems()],
    erase: async (erasing) => {
      const report = await eraseSubject(erasing, { operations, reviews, distillation });
      if (!erasing.dryRun) await offered.takeBack();
      return report;
    },
    durable: durableLogs(deps.directory, operations, reviews),
    stop: async () => {
      await Promise.all([loops.stop(), chat?.stop(), offered.stop()]);
      await exported.stop();
      await Promise.all([operations.close(), reviews.close()]);
    },
  };
}

const remedyOf = (file: string) => (line: number) =>
  `restore observerd from a backup, or let it go: all other lines are served. To have /readyz say so, stop observerd, ${
    line > 0 ? `delete line ${line} of ${file} (sed -i ${line}d)` : `keep the whole lines of ${file}`
  }, and start it with --adopt=observerd/${file}`;

/** A snapshot has every operation and review that was acknowledged. Training sets are objects of storaged. */
const durableLogs = (directory: string, operations: OperationsStore, reviews: Reviews): Durable => ({
  snapshot: () =>
    bothSnapshots(
      () => reviews.atRest(() => holdFiles(directory, [reviewsName, `${reviewsName}.damaged`])),
      () => operations.atRest((files) => holdFiles(directory, files)),
    ),
  inspect: async function* (signal) {
    const inspection = { directory, service: "observerd", signal, remedyOf };
    yield* inspectReviews(reviews, inspection);
    yield* inspectOperations(operations, inspection);
  },
});

const followChat = (operations: OperationsStore, { clock, log, metrics, peers }: ObserverdDeps): ChatCalls =>
  followChatCalls(operations, { verbs: peers.chatd.verbs, clock, log, metrics });

type OperationVerbs = Pick<VerbsOf<Observerd>, "event" | "events" | "stats" | "failures" | "loops">;

function operationVerbs({
  operations,
  chat,
  loops,
  deps,
}: {
  operations: OperationsStore;
  chat: ChatCalls | undefined;
  loops: Loops;
  deps: ObserverdDeps;
}): OperationVerbs {
  const { stats, ring, clusters } = operations.state;
  const statistics = createStatistics(deps.peers.queryd, deps.clock);
  return {
    event: unlessFound(
      async (event, context) => {
        const [recorded] = await operations.record([withTrace(event)], context.operation?.id);
        if (!recorded) throw new Error("nothing was recorded");
        return answerOf(recorded);
      },
      (answer: ReturnType<typeof answerOf>) => answer,
    ),
    events: async (query) => {
      await chat?.catchUp();
      return eventsPage(ring, query);
    },
    stats: async (asked, { signal }) => {
      await chat?.catchUp();
      const isPlain = asked.window === undefined && asked.by === undefined && asked.every === undefined;
      return isPlain ? stats.read() : { ...stats.read(), ...(await statistics(asked, signal)) };
    },
    failures: async (query) => {
      await chat?.catchUp();
      return failuresPage(clusters.list(deps.clock.now()), query);
    },
    loops: async () => ({ loops: loops.list() }),
  };
}

/** The trace that the caller is part of, unless it names one. */
const withTrace = <E extends { attributes?: Record<string, unknown> }>(event: E): E => {
  const trace = currentTrace();
  return trace ? { ...event, attributes: { trace_id: trace.traceId, ...event.attributes } } : event;
};

const answerOf = ({ id, timestamp, source }: Operation) => ({ id, timestamp, source });

function backgroundLoops(store: OperationsStore, { config, clock, log, peers }: ObserverdDeps): Loop[] {
  const section = config.observerd;
  return [
    {
      name: "error_analysis",
      enabled: section.error_analysis,
      intervalMs: section.error_analysis_interval_ms,
      run: errorAnalysis({ store, clock, log }),
    },
    {
      name: "playbook_consolidation",
      enabled: section.playbook_consolidation,
      intervalMs: section.playbook_consolidation_interval_ms,
      run: async (signal) => {
        const timeoutMs = section.playbook_consolidation_timeout_ms;
        const { merged, dropped, more } = await peers.matrixd.verbs.consolidate({}, { signal, timeoutMs });
        return `${merged.length} merged, ${dropped.length} dropped${more ? ", more next time" : ""}`;
      },
    },
    {
      name: "overseer_corrections",
      enabled: section.overseer_corrections,
      intervalMs: section.overseer_corrections_interval_ms,
      run: overseerCorrections({ store, log, section, nowMs: clock.now }),
    },
    {
      name: "escalation",
      enabled: section.escalation,
      intervalMs: section.escalation_interval_ms,
      run: escalation({ store, clock, log, section, chat: peers.chatd.verbs }),
    },
  ];
}
