import { workersPieces } from "../sample-data/sample-data.ts";
import {
  expectEqual,
  expectError,
  expectStatus,
  expectTrue,
  freshName,
  ingest,
  type Lake,
  postJson,
  type Smoke,
  type Stage,
} from "../smoke-product/smoke-product.ts";
import { buildCorpus, type MatrixHit, matrixSearch } from "./matrix-requests.ts";

const rowCount = 4000;
const asked = "forklift operator with OSHA-10 near Chicago";
const paraphrased = "who in the Chicago area can operate a forklift and has OSHA-10";
const sql_filter = "state = 'IL' AND availability > 0.5";

type Hit = MatrixHit & { metadata?: Record<string, unknown> };

/** The hits of a search in which no corpus fails. */
async function hitsOf(lake: Lake, search: object): Promise<Hit[]> {
  const { hits, errors } = await matrixSearch(lake, search);
  expectEqual(errors, []);
  return hits;
}

/** The place of the row among the hits, from 1; 0 when it is not there. */
const rankOf = (hits: readonly Hit[], id: string): number => hits.findIndex((hit) => hit.id === id) + 1;

async function record(lake: Lake, body: object): Promise<{ playbook_id: string; merged: boolean }> {
  const answer = await postJson(lake, "/v1/matrix/playbooks/record", body);
  expectStatus(answer, 201);
  const { playbook: made, merged } = answer.body as { playbook: { playbook_id: string }; merged: boolean };
  return { playbook_id: made.playbook_id, merged };
}

/** What the checks hand on to each other. */
interface Scene {
  lake: Lake;
  corpus: string;
  search: (use_playbook: boolean) => Promise<Hit[]>;
  /** A row far down, and its place. */
  answer_id: string;
  before: number;
  playbook_id: string;
  lifted: number;
}

async function build(lake: Lake, corpus: string): Promise<void> {
  const file = new Blob([...workersPieces({ rows: rowCount, seed: 1 })] as BlobPart[]);
  expectStatus(await ingest(lake, `name=${corpus}`, file), 200);
  await buildCorpus(lake, {
    name: corpus,
    dataset: corpus,
    id_column: "worker_id",
    text_columns: ["role", "city", "certifications", "skills"],
    metadata_columns: ["role", "city", "state"],
  });
}

async function recording({ check }: Stage, scene: Scene): Promise<void> {
  const { corpus, search } = scene;
  await check("without playbooks the answer stands far down", async () => {
    const hits = await search(true);
    expectTrue(
      hits.every(({ metadata, playbooks }) => metadata?.state === "IL" && playbooks === undefined),
      JSON.stringify(hits[0]),
    );
    scene.before = Math.min(15, hits.length);
    scene.answer_id = hits[scene.before - 1]?.id ?? "";
  });
  const { answer_id, before } = scene;
  await check("recorded for another wording, it is lifted, and the hit says why", async () => {
    const recorded = await record(scene.lake, {
      query_text: asked,
      answer_id,
      corpus,
      score: 1,
      tags: ["smoke"],
    });
    scene.playbook_id = recorded.playbook_id;
    const hits = await search(true);
    scene.lifted = rankOf(hits, answer_id);
    const why = hits[scene.lifted - 1]?.playbooks?.[0];
    expectTrue(scene.lifted > 0 && scene.lifted < before, `rank ${before} became ${scene.lifted}`);
    expectTrue(why?.playbook_id === recorded.playbook_id && why.because.includes(asked), JSON.stringify(why));
    expectEqual(rankOf(await search(false), answer_id), before);
  });
  const { playbook_id, lifted } = scene;
  await check(
    `rank ${before} became ${lifted}; recorded again it is one playbook, strengthened`,
    async () => {
      const again = await record(scene.lake, { query_text: asked.toUpperCase(), answer_id, corpus });
      expectEqual(again, { playbook_id, merged: true });
      const there = rankOf(await search(true), answer_id);
      expectTrue(there <= lifted, `rank ${lifted} became ${there}`);
    },
  );
}

async function judging(
  { check }: Stage,
  { lake, corpus, search, answer_id, before, playbook_id }: Scene,
): Promise<void> {
  const judge = async (voice: "helpful" | "harmful", times: number): Promise<void> => {
    for (let time = 0; time < times; time++)
      expectStatus(await postJson(lake, `/v1/matrix/playbooks/${playbook_id}/${voice}`, {}), 200);
  };
  await check("harmful feedback undoes the lift", async () => {
    await judge("harmful", 2);
    expectEqual(rankOf(await search(true), answer_id), before);
  });
  await check("helpful feedback brings it back", async () => {
    await judge("helpful", 3);
    const there = rankOf(await search(true), answer_id);
    expectTrue(there < before, `rank ${before} stayed ${there}`);
  });
  await check("consolidation tells what it would do and does nothing", async () => {
    const answer = await postJson(lake, "/v1/matrix/playbooks/consolidate", { dry_run: true });
    expectEqual(answer.body, { merged: [], dropped: [], more: false });
  });
  await check("a delta adds a note, which a search brings in, and an edit changes it", async () => {
    const add = { query_text: asked, corpus, note: "look at the date" };
    const made = await postJson(lake, "/v1/matrix/playbooks/delta", { changes: [{ add }] });
    const { playbook_id: id = "" } =
      (made.body as { playbooks: { playbook_id: string }[] }).playbooks[0] ?? {};
    const edit = {
      method: "PATCH",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ note: "look at the card" }),
    };
    expectStatus(await lake.send(`/v1/matrix/playbooks/${id}`, edit), 200);
    const found = await postJson(lake, "/v1/matrix/search", {
      query_text: paraphrased,
      corpora: [corpus],
      use_playbook: true,
    });
    const { notes = [] } = found.body as { notes?: { note: string }[] };
    expectEqual(
      notes.map(({ note }) => note),
      ["look at the card"],
    );
    expectStatus(await lake.send(`/v1/matrix/playbooks/${id}`, { method: "DELETE" }), 200);
  });
  await check("forgotten, it lifts nothing", async () => {
    expectStatus(await lake.send(`/v1/matrix/playbooks/${playbook_id}`, { method: "DELETE" }), 200);
    expectEqual(rankOf(await search(true), answer_id), before);
    expectError(await lake.send(`/v1/matrix/playbooks/${playbook_id}`), 404, "not_found");
  });
}

async function fromTraces(
  { check }: Stage,
  { lake, corpus, search, answer_id, before }: Scene,
): Promise<void> {
  await check("one that came from a trace is silent when the trace is retired", async () => {
    const trace_uid = freshName();
    const trace = { uid: trace_uid, content: { placed: true } };
    expectStatus(await postJson(lake, "/v1/pathway/add", trace), 201);
    await record(lake, { query_text: asked, answer_id, corpus, trace_uid });
    expectTrue(rankOf(await search(true), answer_id) < before, "it was not lifted");
    expectStatus(await postJson(lake, "/v1/pathway/retire", { uid: trace_uid }), 200);
    expectEqual(rankOf(await search(true), answer_id), before);
  });
  await check("an answer that is no row is a 404", async () => {
    const body = { query_text: asked, answer_id: "nobody", corpus };
    expectError(await postJson(lake, "/v1/matrix/playbooks/record", body), 404, "not_found");
  });
}

export const playbook: Smoke = {
  about: "an answer that worked is lifted for a differently worded query, and harmful feedback undoes that",
  ownProduct: true,
  async run(stage) {
    const { check, start } = stage;
    const directory = stage.directory();
    let product = await start({ directory });
    const corpus = freshName();
    const scene: Scene = {
      lake: product,
      corpus,
      search: (use_playbook) =>
        hitsOf(product, { query_text: paraphrased, corpora: [corpus], k: 50, sql_filter, use_playbook }),
      answer_id: "",
      before: 0,
      playbook_id: "",
      lifted: 0,
    };
    await check(`a corpus of ${rowCount} workers is built`, () => build(product, corpus));
    await recording(stage, scene);
    await check("a kill and a restart forget nothing", async () => {
      await product.end("SIGKILL");
      product = await start({ directory });
      scene.lake = product;
      const answer = await product.send(`/v1/matrix/playbooks/${scene.playbook_id}`);
      expectEqual([answer.status, (answer.body as { helpful: number }).helpful], [200, 1]);
      expectTrue(rankOf(await scene.search(true), scene.answer_id) <= scene.lifted, "it is no longer lifted");
    });
    await judging(stage, scene);
    await fromTraces(stage, scene);
  },
};
