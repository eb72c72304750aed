/** matrixd's verbs, over corpora, searches, playbooks, profiles and rules. */
import { join } from "node:path";
import type { Erasing, Running } from "../../runtime/contract/contract.ts";
import type { Deps } from "../../runtime/service/service.ts";
import type { Metrics } from "../../runtime/telemetry/telemetry.ts";
import type { Catalogd } from "../catalogd/contract.ts";
import type { Embedd } from "../embedd/contract.ts";
import type { Pathwayd } from "../pathwayd/contract.ts";
import type { Queryd } from "../queryd/contract.ts";
import type { Vectord } from "../vectord/contract.ts";
import type { Matrixd } from "./contract.ts";
import {
  corporaRaw,
  corporaVerbs,
  createCorpora,
  createMaintenance,
  type OpenCorpora,
} from "./corpora/corpora.ts";
import { downgradeVerbs } from "./downgrade/downgrade.ts";
import { clearCopies, durableMatrix } from "./durable/durable.ts";
import { eraseSubject } from "./erasure/erasure.ts";
import { jobsName, openJobs } from "./jobs/jobs.ts";
import { startLexicon } from "./lexicon/lexicon.ts";
import { openPlaybooks } from "./playbooks/playbooks.ts";
import { openProfiles } from "./profiles/profiles.ts";
import { relevanceVerbs } from "./relevance/relevance.ts";
import { searchVerbs } from "./search/search.ts";

type MatrixDeps = Deps<{
  catalogd: Catalogd;
  queryd: Queryd;
  vectord: Vectord;
  embedd: Embedd;
  pathwayd: Pathwayd;
}>;

/** Starts matrixd. Jobs that an earlier run did not end have failed; what they left is cleared away. */
export async function createMatrixd(deps: MatrixDeps): Promise<Running<Matrixd>> {
  // What a start that fails has opened is closed again, the last first, as by a stop.
  await using opened = new AsyncDisposableStack();
  const draining = new AbortController();
  const drain = () => draining.abort();
  const running = await assemble(deps, opened, draining.signal);
  const kept = opened.move();
  return {
    ...running,
    drain,
    stop: async () => {
      drain();
      await kept.disposeAsync();
    },
  };
}

async function assemble(deps: MatrixDeps, opened: AsyncDisposableStack, draining: AbortSignal) {
  const { config, clock, log, metrics, newId, directory, marks, adopted, idempotency, peers } = deps;
  const lexicon = startLexicon(log);
  opened.defer(lexicon.stop);
  const maintenance = createMaintenance({ clock, log });
  opened.defer(maintenance.stop);
  const common = { directory, clock, log, newId, marks, adopted, idempotency };
  await clearCopies(directory);
  const jobs = await openJobs(join(directory, jobsName), common);
  opened.defer(jobs.stop);
  const tools = {
    peers,
    droppedIndexes: new Set<string>(),
    kept: { marks, adopted },
    clock,
    lexicon,
    maintenance,
    newId,
    readMs: config.queryd.max_timeout_ms,
    metadataBytesMax: config.vectord.max_metadata_bytes - rowFieldBytes,
  };
  const corpora = await createCorpora(directory, tools, { jobs, log });
  measure(metrics, corpora);
  const { pathwayd, embedd, ...others } = peers;
  const playbooks = await openPlaybooks({
    ...common,
    metrics,
    corpora,
    settings: config.matrixd,
    embedd: embedd.verbs,
    pathwayd: pathwayd.verbs,
  });
  opened.defer(playbooks.close);
  const profiles = await openProfiles({ ...common, corpora, catalogd: peers.catalogd.verbs });
  opened.defer(profiles.close);
  const search = searchVerbs({
    corpora,
    playbooks: playbooks.matches,
    profile: profiles.active,
    clock,
    corpusTimeoutMs: config.matrixd.corpus_timeout_ms,
    peers: { ...others, embedd },
  });

  return {
    verbs: {
      ...corporaVerbs({ corpora, jobs }),
      ...search,
      ...playbooks.verbs,
      ...profiles.verbs,
      ...relevanceVerbs,
      ...downgradeVerbs(config.matrixd),
    },
    raw: corporaRaw(jobs, draining),
    notReady: () => [corpora.damages(), ...[playbooks, profiles, jobs].map((each) => each.problems())].flat(),
    erase: (erasing: Erasing) => eraseSubject(erasing, { corpora, playbooks, jobs, profiles }),
    durable: durableMatrix({
      ...common,
      ...tools,
      ...{ jobs, playbooks, profiles },
      entries: corpora.entries,
      pathwayd: pathwayd.verbs,
    }),
  };
}

function measure(metrics: Metrics, { list }: OpenCorpora): void {
  const ready = () => list().filter(({ state }) => state === "ready");
  metrics.gauge("matrixd_corpora", "Corpora that can be searched.", () => ready().length);
  metrics.gauge("matrixd_corpus_rows", "Rows of the corpora that can be searched.", () =>
    ready().reduce((sum, { rows }) => sum + rows, 0),
  );
}

/** What the number of a row adds to its metadata in vectord, at most. */
const rowFieldBytes = 32;
