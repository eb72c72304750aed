import {
  expectEqual,
  expectError,
  expectStatus,
  expectTrue,
  type Lake,
  type Product,
  postJson,
  type Smoke,
  type Stage,
} from "../smoke-product/smoke-product.ts";

interface Trace {
  uid: string;
  created_at: string;
  retired: boolean;
  replay_count: number;
  successor?: string;
}

const post = (lake: Lake, verb: string, body: object) => postJson(lake, `/v1/pathway/${verb}`, body);

async function made(lake: Lake, verb: string, body: object, status = 200): Promise<Trace> {
  const answer = await post(lake, verb, body);
  expectStatus(answer, status);
  return answer.body as Trace;
}

async function found(lake: Lake, conditions: object): Promise<string[]> {
  const answer = await post(lake, "search", conditions);
  expectStatus(answer, 200);
  return (answer.body as { results: Trace[] }).results.map(({ uid }) => uid);
}

export const pathway: Smoke = {
  about: "memory of traces: add, update, revise, retire, history, search as of a time; whole after kill -9",
  ownProduct: true,
  async run({ check, start, directory }) {
    const data = directory();
    const lake = await start({ directory: data });
    const get = async (uid: string, query = "") =>
      lake.send(`/v1/pathway/get/${encodeURIComponent(uid)}${query}`);
    const first = "plan/1 ü%";
    let asOf = "";

    await check("a trace is added, and found by tag and by words", async () => {
      const content = { task: "Forklift operators near Chicago", steps: ["query", "rank"] };
      const trace = await made(lake, "add", { uid: first, content, tags: ["staffing", "il"] }, 201);
      asOf = trace.created_at;
      expectEqual((await get(first)).body, trace);
      expectEqual(await found(lake, { tags: ["il", "staffing"] }), [first]);
      expectEqual(await found(lake, { text: "operating a forklift" }), [first]);
    });
    await check("equal adds at once make one trace", async () => {
      const adds = Array.from({ length: 20 }, () =>
        made(lake, "add_idempotent", { content: { n: 1 }, tags: ["same"] }),
      );
      await Promise.all(adds);
      expectEqual((await found(lake, { tags: ["same"] })).length, 1);
    });
    await check("a uid that is taken is a 409, an unknown one a 404", async () => {
      expectError(await post(lake, "add", { uid: first, content: 1 }), 409, "conflict");
      expectError(await post(lake, "update", { uid: "nobody", content: 1 }), 404, "not_found");
    });
    await check("a revision supersedes: the old trace is shown only when asked for", async () => {
      await made(
        lake,
        "revise",
        { uid: first, new_uid: "plan-2", content: "Forklift operators, revised" },
        201,
      );
      expectEqual(await found(lake, { text: "forklift" }), ["plan-2"]);
      expectEqual(
        (await found(lake, { text: "forklift", include_superseded: true })).sort(),
        ["plan-2", first].sort(),
      );
      expectError(await post(lake, "revise", { uid: first, content: 1 }), 409, "conflict");
    });
    await check("replays are counted; a retired trace is gone from every search", async () => {
      for (let n = 1; n <= 3; n++)
        expectEqual((await made(lake, "replay", { uid: "plan-2" })).replay_count, n);
      await made(lake, "retire", { uid: "plan-2", reason: "did not work" });
      expectEqual(await found(lake, { text: "forklift" }), []);
      expectEqual(await found(lake, { tags: ["il"] }), []);
      expectError(await post(lake, "update", { uid: "plan-2", content: 1 }), 409, "conflict");
    });
    await check("as of its time the first trace is found as it was", async () => {
      expectEqual(await found(lake, { text: "forklift", as_of: asOf }), [first]);
      expectTrue(
        (await get("plan-2", `?as_of=${asOf}`)).status === 404,
        "plan-2 was there before it was made",
      );
    });
    await remembers({ check, start }, lake, { data, uids: [first, "plan-2"] });
  },
};

/** The history of the chain, before and after the product is killed. */
async function remembers(
  { check, start }: Pick<Stage, "check" | "start">,
  first: Product,
  { data, uids }: { data: string; uids: string[] },
): Promise<void> {
  let lake = first;
  const history = async () => {
    const answer = await lake.send(`/v1/pathway/history/${encodeURIComponent(uids[0] ?? "")}`);
    expectStatus(answer, 200);
    return answer.body as { traces: Trace[]; changes: { kind: string }[] };
  };
  await check("the history holds the chain and every change", async () => {
    const { traces, changes } = await history();
    expectEqual(
      traces.map(({ uid }) => uid),
      uids,
    );
    expectEqual(
      changes.map(({ kind }) => kind),
      ["add", "revise", "supersede", "replay", "replay", "replay", "retire"],
    );
  });
  await check("after kill -9 and a compaction it is what it was", async () => {
    const before = await history();
    await lake.end("SIGKILL");
    lake = await start({ directory: data });
    expectEqual(await history(), before);
    expectStatus(await post(lake, "compact", {}), 200);
    expectEqual(await history(), before);
    await lake.end("SIGTERM");
    lake = await start({ directory: data });
    expectEqual(await history(), before);
    expectEqual(await found(lake, { text: "forklift" }), []);
  });
  await check("a person is erased from every service, and who asked for it is kept", async () => {
    const subject = "jane.doe@example.org";
    await made(lake, "add", { uid: "of-jane", content: { mail: subject }, tags: ["jane"] }, 201);
    const reasons = { who: "the smoke", why: "she asked" };
    const dry = await postJson(lake, "/v1/erase", { subject, ...reasons, dry_run: true });
    expectEqual(await found(lake, { tags: ["jane"] }), ["of-jane"]);
    const done = await postJson(lake, "/v1/erase", { subject, ...reasons });
    for (const answer of [dry, done]) {
      expectStatus(answer, 200);
      const { state, services } = answer.body as {
        state: string;
        services: { removed: { count: number }[] }[];
      };
      expectEqual(state, "done");
      expectEqual(services[0]?.removed.at(0)?.count, 1);
    }
    expectEqual(await found(lake, { tags: ["jane"] }), []);
    const { erasures } = (await lake.send("/v1/erasures")).body as {
      erasures: { who: string; why: string }[];
    };
    expectEqual(
      erasures.map(({ who, why }) => ({ who, why })),
      [reasons],
    );
    expectTrue(!JSON.stringify(erasures).includes(subject), "the list of erasures names whom they are about");
  });
}
