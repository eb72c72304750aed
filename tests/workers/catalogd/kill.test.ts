/**
 * `kill -9` at random instants: what was acknowledged is the head or an ancestor of it, and every head is whole.
 * `CATALOGD_KILLS` and `CATALOGD_SEED` make it a campaign.
 */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { manifestKey } from "../../../workers/catalogd/manifests/key.ts";
import { decodeManifest } from "../../../workers/catalogd/manifests/manifest.ts";
import type { Version } from "../../../workers/catalogd/versions/version.ts";
import { seeded } from "../../support/campaigns/seeded.ts";
import { killed } from "../../support/durability/killed.ts";
import { type Catalog, type CatalogManifest, startCatalog } from "../../support/stacks/catalogd.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

const kills = Number(process.env.CATALOGD_KILLS ?? 4);
const seed = Number(process.env.CATALOGD_SEED ?? 1);
/** Longest life, in acknowledgements. */
const linesMax = 60;
/** Of those that die early: twice the time a start takes. */
const startMs = 240;
const program = join(import.meta.dir, "../../fixtures/catalogd/register-loop.ts");

/** Runs the loop until it is killed; gives what it had acknowledged. */
async function live(directory: string, random: () => number): Promise<CatalogManifest[]> {
  const command = [program, directory, String(Math.floor(random() * 2 ** 31))];
  const isEarly = random() < 0.25;
  const lines = isEarly
    ? await killed(command, { lines: 0, moreMs: random() * startMs })
    : await killed(command, { lines: 1 + Math.floor(random() * linesMax), moreMs: random() * 10 });
  return lines.map((line): CatalogManifest => JSON.parse(line));
}

/** All versions of the name, from the files alone: numbers without gaps, each of them whole. */
async function chainOf(catalog: Catalog, name: string): Promise<Version[]> {
  const { list, read } = catalog.storaged.peer.verbs;
  const { objects, corrupt } = await list({ prefix: `_catalog/manifests/${name}/`, page_size: 10_000 });
  expect(corrupt).toBeUndefined();
  expect(objects.map(({ key }) => key)).toEqual(objects.map((_, at) => manifestKey(name, at + 1)));
  return Promise.all(objects.map(async ({ key }) => decodeManifest((await read({ key })).bytes)));
}

test(`${kills} kills, seed ${seed}`, async () => {
  const directory = temporaryDirectory("kill");
  const random = seeded(seed);
  const acknowledged: CatalogManifest[] = [];
  try {
    for (let round = 0; round < kills; round++) {
      acknowledged.push(...(await live(directory.path, random)));
      const catalog = await startCatalog(directory.path);
      expect(catalog.catalogd.running.notReady?.()).toEqual([]);
      const { manifests = [] } = await catalog.verbs.snapshot({});
      const [p, q] = ["p", "q"].map((name) => manifests.find((manifest) => manifest.name === name));
      expect([p?.version, p?.made_by]).toEqual([q?.version, q?.made_by]);
      for (const name of ["a", "b", "c", "p", "q"]) {
        const chain = await chainOf(catalog, name);
        for (const manifest of acknowledged.filter((made) => made.name === name))
          expect(chain[manifest.version - 1]).toEqual(manifest);
        for (const { version, parent } of chain) expect(parent ?? version - 1).toBe(version - 1);
        const last = chain.at(-1);
        const head = manifests.find((manifest) => manifest.name === name);
        expect(head).toEqual(last?.operation === "drop" ? undefined : (last as CatalogManifest | undefined));
        for (const { key, bytes } of head?.objects ?? [])
          expect((await catalog.storaged.peer.verbs.read({ key })).bytes.length).toBe(bytes);
      }
      await catalog.stop();
    }
    expect(acknowledged.length).toBeGreaterThan(kills);
  } finally {
    directory.remove();
  }
});
