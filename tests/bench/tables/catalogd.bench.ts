/** Registrations a second beside the bare durable write of the same bytes, and what readers pay with 1,000 datasets. */
import { expect, test } from "bun:test";
import { closeSync, fsyncSync, openSync, renameSync, writeSync } from "node:fs";
import { join } from "node:path";
import { encodeManifest } from "../../../workers/catalogd/manifests/manifest.ts";
import {
  inTurn,
  latencies,
  median,
  quantile,
  report,
  throughput,
  timed,
} from "../../support/campaigns/measure.ts";
import {
  type Catalog,
  type CatalogManifest,
  type Registration,
  startCatalog,
} from "../../support/stacks/catalogd.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

/** As the 18 columns of the staffing CSV. */
const columns: Registration["columns"] = Array.from({ length: 18 }, (_, at) => ({
  name: `column_${at}`,
  type: at % 3 === 0 ? "BIGINT" : "VARCHAR",
  nullable: true,
}));
const statistics = columns.map(({ name }, at) => ({
  column: name,
  field_id: at + 1,
  null_count: 0,
  value_count: 500_000,
  compressed_bytes: 123_456,
  min: `value ${at}`,
  max: `value ${at}${at}`,
}));

/** Short rounds, many of them: a disk that others use too drifts. */
const calls = 48;
const rounds = 15;

async function withCatalog(work: (catalog: Catalog, directory: string) => Promise<void>): Promise<void> {
  const { path, remove } = temporaryDirectory("bench-catalogd");
  const catalog = await startCatalog(path);
  try {
    await work(catalog, path);
  } finally {
    await catalog.stop();
    remove();
  }
}

/** Two objects, registered by turns, so that every registration is a new version. */
const objectsOf = (catalog: Catalog) =>
  Promise.all(["1", "2"].map(async (key) => ({ ...(await catalog.object(`datasets/${key}`)), statistics })));

test("registrations a second", () =>
  withCatalog(async (catalog, directory) => {
    const objects = await objectsOf(catalog);
    let made = 0;
    const register = (names: number) => {
      const at = made++;
      const name = `bench_${at % names}`;
      const object = objects.slice(Math.floor(at / names) % 2).slice(0, 1);
      return catalog.verbs.register({ name, columns, objects: object });
    };
    const sample = (await register(1)) as CatalogManifest;
    const bytes = encodeManifest(sample);
    const syncDirectory = openSync(directory, "r");
    const write = (at: number) => {
      const file = openSync(join(directory, `${at}.part`), "w");
      writeSync(file, bytes);
      fsyncSync(file);
      closeSync(file);
      renameSync(join(directory, `${at}.part`), join(directory, `${at}.parquet`));
      fsyncSync(syncDirectory);
    };
    let written = 0;
    const rates = await inTurn(rounds, {
      bare: () => throughput(calls, 1, async () => write(written++)),
      sequential: () => throughput(calls, 1, () => register(1)),
      sixteen: () => throughput(calls, 16, () => register(16)),
    });
    closeSync(syncDirectory);
    const encoding = median(await latencies(calls, async () => encodeManifest(sample)));
    report("catalogd registers", {
      "manifest bytes": bytes.length,
      "bare write+fsync+rename+fsync of the directory per s": rates.bare,
      "registers per s": rates.sequential,
      ratio: rates.sequential / rates.bare,
      "registers per s, 16 names at once": rates.sixteen,
      "ratio of 16": rates.sixteen / rates.bare,
      "encoding alone ms": encoding,
    });
    expect(rates.sequential).toBeGreaterThan(0);
  }));

test("1,000 datasets", async () => {
  const { path, remove } = temporaryDirectory("bench-catalogd");
  const before = await startCatalog(path);
  const objects = (await objectsOf(before)).slice(0, 1);
  for (let at = 0; at < 1000; at += 50) {
    const some = Array.from({ length: 50 }, (_, more) => `dataset_${at + more}`);
    await Promise.all(some.map((name) => before.verbs.register({ name, columns, objects })));
  }
  await before.stop();
  // Measured after a restart: before it the manifests share parts, which a clone would copy once.
  let catalog = before;
  const startMs = await timed(async () => {
    catalog = await startCatalog(path);
  });
  try {
    await measureReaders(catalog, startMs);
  } finally {
    await catalog.stop();
    remove();
  }
});

async function measureReaders(catalog: Catalog, startMs: number): Promise<void> {
  const { catalog_etag: known } = await catalog.verbs.snapshot({});
  const context = { requestId: "bench", signal: new AbortController().signal };
  const { snapshot } = catalog.catalogd.running.verbs;
  const ask = async () => {
    for (let turn = 0; turn < 1000; turn++) await snapshot({ known }, context);
  };
  const knownMs = median(await latencies(20, ask)) / 1000;
  const list = await latencies(100, () => catalog.verbs.list({}));
  const overHttp = await latencies(50, async () =>
    (await catalog.send(new Request("http://localhost/catalog/list"))).arrayBuffer(),
  );
  const whole = await latencies(20, async () => structuredClone(await catalog.verbs.snapshot({})));
  const objects: never[] = [];
  const columns = [{ name: "id", type: "BIGINT", nullable: true }];
  await catalog.verbs.register({ name: "one_more", columns, objects });
  const news = await latencies(100, async () => structuredClone(await catalog.verbs.snapshot({ known })));
  report("catalogd with 1,000 datasets", {
    "snapshot that is known µs": knownMs * 1000,
    "list ms": median(list),
    "list p99 ms": quantile(list, 0.99),
    "list as JSON ms": median(overHttp),
    "whole snapshot, cloned, ms": median(whole),
    "what one registration changed, cloned, ms": median(news),
    "start with storaged ms": startMs,
  });
}
