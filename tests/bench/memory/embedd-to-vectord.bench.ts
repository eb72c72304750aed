/**
 * The hot path, text → embedd → vectord → hits, as a service takes it: over channels within one process, beside the
 * same over HTTP to other processes. `bun test --bench embedd`
 */
import { expect, test } from "bun:test";
import { systemClock } from "../../../runtime/scheduling/clock.ts";
import { startSupervisor } from "../../../runtime/supervisor/supervisor.ts";
import { createLog } from "../../../runtime/telemetry/log.ts";
import { readThread } from "../../../runtime/thread-time/thread-time.ts";
import { type Topology, topology } from "../../../runtime/topology.ts";
import { workerColumns, workerRow } from "../../../scripts/sample-data/make-workers.ts";
import { inTurn, report, timed } from "../../support/campaigns/measure.ts";
import { startProduct } from "../../support/product/product.ts";
import { configWith, temporaryDirectory } from "../../support/stacks/in-process.ts";

const texts = 2000;
const questionsACall = 100;
const rounds = 10;
const profile = (row: number) => {
  const fields = workerRow(1, row);
  return [fields[workerColumns.indexOf("role")], fields[workerColumns.indexOf("skills")], row].join(" ");
};

const asker = {
  worker: new URL("../../fixtures/runtime/asker-worker.ts", import.meta.url),
  calls: ["embedd", "vectord"] as const,
  native: false,
};

/** Starts the asker in the gateway's place; with urls its peers are elsewhere. */
async function start(urls?: { embedd: string; vectord: string }) {
  const { path, remove } = temporaryDirectory("bench-hot-path");
  const bind = { bind: "127.0.0.1:0" };
  const supervisor = await startSupervisor({
    config: configWith({
      data_dir: path,
      storaged: bind,
      gateway: bind,
      vectord: { ...bind, url: urls?.vectord ?? "" },
      embedd: { ...bind, url: urls?.embedd ?? "" },
    }),
    topology: { ...topology, gateway: asker } as unknown as Topology,
    only: urls ? ["gateway"] : ["storaged", "vectord", "embedd", "gateway"],
    clock: systemClock,
    log: createLog("supervisor", "error", () => {}),
    readThread,
  });
  const address = supervisor.status().find(({ name }) => name === "gateway")?.address;
  const call = async <T>(path_: string, body: object): Promise<T> => {
    const response = await fetch(`${address}${path_}`, {
      method: "POST",
      body: JSON.stringify(body),
      headers: { "content-type": "application/json" },
    });
    const text = await response.text();
    if (!response.ok) throw new Error(text);
    return JSON.parse(text) as T;
  };
  return { call, stop: () => supervisor.stop().then(remove) };
}

test("embed and search, one question after the other", async () => {
  const apart = await startProduct({ flags: ["--only", "storaged,vectord,embedd"] });
  const { embedd = "", vectord = "" } = apart.addresses;
  const [channel, http] = [await start(), await start({ embedd, vectord })];
  try {
    const all = Array.from({ length: texts }, (_, row) => profile(row));
    for (const { call } of [channel, http]) await call("/fill", { texts: all });
    let turn = 0;
    const ask = ({ call }: typeof channel) =>
      timed(async () => {
        const from = (turn++ * questionsACall) % (texts - questionsACall);
        const { ids } = await call<{ ids: string[] }>("/ask", {
          questions: all.slice(from, from + questionsACall),
        });
        expect(ids.filter((id, at) => id === String(from + at)).length).toBeGreaterThan(questionsACall * 0.9);
      });
    const ms = await inTurn(rounds, { channel: () => ask(channel), http: () => ask(http) });
    report("hot path, embed and search", {
      "over channels, ms a question": ms.channel / questionsACall,
      "over HTTP, ms a question": ms.http / questionsACall,
      "HTTP/channels": ms.http / ms.channel,
    });
  } finally {
    await channel.stop();
    await http.stop();
    await apart.end();
  }
}, 300_000);
