/** matrixd's playbooks, profiles and rules over the real embedd and pathwayd; the corpora are lists of ids. */

import type { Config } from "../../../runtime/config/settings.ts";
import { fail } from "../../../runtime/errors/errors.ts";
import { type Clock, systemClock } from "../../../runtime/scheduling/clock.ts";
import type { Deps } from "../../../runtime/service/declaration.ts";
import type { Catalogd } from "../../../workers/catalogd/contract.ts";
import { embedd } from "../../../workers/embedd/contract.ts";
import { createEmbedd } from "../../../workers/embedd/service.ts";
import { matrixd } from "../../../workers/matrixd/contract.ts";
import type { Corpora, LiveCorpus } from "../../../workers/matrixd/corpora/live-corpus.ts";
import { downgradeVerbs } from "../../../workers/matrixd/downgrade/downgrade.ts";
import { openPlaybooks, type Playbooks } from "../../../workers/matrixd/playbooks/playbooks.ts";
import { openProfiles, type Profiles } from "../../../workers/matrixd/profiles/profiles.ts";
import { relevanceVerbs } from "../../../workers/matrixd/relevance/relevance.ts";
import { pathwayd } from "../../../workers/pathwayd/contract.ts";
import { createPathwayd } from "../../../workers/pathwayd/service.ts";
import { configWith, startInProcess, temporaryDirectory } from "./in-process.ts";

export interface ListedCorpus {
  ids: string[];
  model?: string;
  dataset?: string;
  /** Keys of the dataset's objects. */
  keys?: string[];
  state?: "ready" | "building";
}

export interface PlaybookStackOptions {
  /** To start again on what an earlier one stored. */
  directory?: string;
  /** What the operator accepts as it stands. */
  adopted?: (place: string) => boolean;
  clock?: Partial<Clock>;
  settings?: Partial<Config["matrixd"]>;
  corpora?: Record<string, ListedCorpus>;
}

export type PlaybookStack = Awaited<ReturnType<typeof startPlaybookStack>>;

/** Corpora as playbooks and profiles see them; rows can be added and taken away. */
function listedCorpora(corpora: Record<string, ListedCorpus>): Corpora {
  const info = (name: string, { ids, model, dataset, state = "ready" }: ListedCorpus) => ({
    name,
    id_column: "id",
    text_columns: ["text"],
    state,
    rows: ids.length,
    generation: 1,
    ...(model !== undefined && { model }),
    ...(dataset === undefined ? { sql: "SELECT 1" } : { dataset }),
  });
  return {
    list: () => Object.entries(corpora).map(([name, corpus]) => info(name, corpus)),
    hold: (name) => {
      const corpus = corpora[name];
      if (!corpus) throw fail("not_found", `there is no corpus '${name}'`);
      if (corpus.state === "building")
        throw fail("unavailable", `corpus '${name}' is being built`, { retryAfterSeconds: 1 });
      const live: Partial<LiveCorpus> = {
        info: info(name, corpus),
        model: corpus.model ?? "local",
        numbersOf: async (ids) =>
          ids.map((id) => (corpus.ids.includes(id) ? corpus.ids.indexOf(id) : undefined)),
        release: () => {},
      };
      return live as LiveCorpus;
    },
  };
}

/** Starts it; `playbooks` and `profiles` are what searches are given. */
export async function startPlaybookStack(options: PlaybookStackOptions = {}) {
  const temporary = options.directory === undefined ? temporaryDirectory("playbooks") : undefined;
  const directory = options.directory ?? temporary?.path ?? "";
  const config = configWith({ data_dir: directory, matrixd: options.settings ?? {} });
  const corpora: Record<string, ListedCorpus> = options.corpora ?? {
    workers: { ids: Array.from({ length: 200 }, (_, at) => `w${at}`), dataset: "workers" },
    jobs: { ids: ["j1", "j2"], dataset: "jobs", keys: ["cold://datasets/jobs/1.parquet"] },
    notes: { ids: ["n1"], model: "ollama/nomic" },
  };
  const clock = { ...systemClock, ...options.clock };
  const embedding = await startInProcess({ contract: embedd, create: createEmbedd }, { config, peers: {} });
  const traces = await startInProcess(
    { contract: pathwayd, create: createPathwayd },
    { config, peers: { embedd: embedding.peer } },
  );
  let pathwayStopped = false;
  const stopPathwayd = async () => {
    if (!pathwayStopped) await traces.stop();
    pathwayStopped = true;
  };
  /** What embedd was asked for. */
  const embedded: string[][] = [];
  const parts: { playbooks?: Playbooks; profiles?: Profiles } = {};
  const create = async (deps: Deps) => {
    const listed = listedCorpora(corpora);
    const manifest = async ({ name }: { name: string }) =>
      ({ objects: (corpora[name]?.keys ?? ["datasets/x.parquet"]).map((key) => ({ key })) }) as never;
    const catalog = { manifest } as unknown as Pick<Deps<{ c: Catalogd }>["peers"]["c"]["verbs"], "manifest">;
    const playbooks = await openPlaybooks({
      ...deps,
      clock,
      settings: config.matrixd,
      corpora: listed,
      embedd: {
        vectorsOf: (input, call) => {
          embedded.push(input.texts);
          return embedding.peer.verbs.vectorsOf(input, call);
        },
      },
      pathwayd: {
        alive: (input, call) => {
          if (pathwayStopped) throw fail("unavailable", "pathwayd is not running");
          return traces.peer.verbs.alive(input, call);
        },
      },
    });
    const profiles = await openProfiles({ ...deps, corpora: listed, catalogd: catalog });
    Object.assign(parts, { playbooks, profiles });
    const verbs = {
      ...playbooks.verbs,
      ...profiles.verbs,
      ...relevanceVerbs,
      ...downgradeVerbs(config.matrixd),
    };
    return {
      verbs: verbs as never,
      raw: {} as never,
      notReady: () => [...playbooks.problems(), ...profiles.problems()],
      stop: async () => {
        await playbooks.close();
        await profiles.close();
      },
    };
  };
  const service = await startInProcess(
    { contract: matrixd, create },
    { config, peers: {}, ...(options.adopted && { adopted: options.adopted }) },
  ).catch(async (cause) => {
    await traces.stop();
    await embedding.stop();
    temporary?.remove();
    throw cause;
  });
  const { playbooks, profiles } = parts as Required<typeof parts>;
  const vectorOf = async (text: string): Promise<Float32Array> => {
    const { vectors } = await embedding.peer.verbs.embed({ text, model: "local" });
    return new Float32Array(vectors[0] ?? []);
  };
  return {
    directory,
    corpora,
    embedded,
    verbs: service.peer.verbs,
    traces: traces.peer.verbs,
    send: service.send,
    log: service.log,
    notReady: () => service.running.notReady?.() ?? [],
    playbooks,
    profiles,
    /** What playbooks say about a query, as a search asks. */
    match: async (query: string, among: string[] = ["workers"]) => {
      const vector = await vectorOf(query);
      return playbooks.matches.match(
        { text: query, vector, model: "local" },
        among,
        AbortSignal.timeout(10_000),
      );
    },
    stopPathwayd,
    stop: async () => {
      await service.stop();
      await stopPathwayd();
      await embedding.stop();
      temporary?.remove();
    },
  };
}
