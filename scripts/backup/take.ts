/** Takes a backup: first a snapshot of every service, quickly; then the files of the snapshots that the backup lacks. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import pMap from "p-map";
import { readOrNull, type SnapshotFile, writeAtomic } from "../../runtime/durable/durable.ts";
import { startOrder, topology } from "../../runtime/topology.ts";
import type { ProgressBar } from "../command-line/command-line.ts";
import type { Damaged, KeptFile } from "./point-file.ts";
import { BackupError, Mismatch, type Repository } from "./repository.ts";
import { type ServiceClient, type ServiceSnapshot, Unreadable } from "./service-client.ts";

/** Files copied at once: small ones wait for the disk more than for anything else. */
const copiesAtOnce = 8;
/** A service releases a snapshot that is unused for ten minutes: it is touched while others are copied. */
const touchMs = 2 * 60_000;

interface Taken {
  point: string;
  files: number;
  bytes: number;
  /** Of these, what was not in the backup yet. */
  copied_files: number;
  copied_bytes: number;
  /** How long answers waited, in milliseconds. */
  held_ms: number;
  damaged: Damaged[];
}

/** Tries to take all snapshots while answers are held: a service that is slow once need not be so again. */
const triesMax = 3;

/**
 * Those that refer to others before those they refer to: what the snapshot of a caller names is then in the snapshot of
 * the callee, as nothing that is referred to is erased.
 */
export const snapshotOrder = (): string[] => startOrder(topology).reverse().flat();

/** Takes the backup and seals it. Throws a BackupError; then there is no new point, and what was copied stays. */
export async function takeBackup(
  client: ServiceClient,
  repository: Repository,
  bar: ProgressBar,
): Promise<Taken> {
  const held: ServiceSnapshot[] = [];
  const at = new Date().toISOString();
  const touching = setInterval(() => {
    for (const point of held) point.touch().catch(() => undefined);
  }, touchMs);
  const holding = join(repository.path, "holding.json");
  await releaseThoseOf(holding, client);
  try {
    const held_ms = await holdSnapshots(client, held);
    await writeAtomic(holding, JSON.stringify(held.map(({ service, id }) => ({ service, id }))));
    const wanted: Wanted[] = [];
    for (const point of held) {
      for await (const file of point.files()) {
        wanted.push({ point, file });
        bar.step(0, 0, `${wanted.length} files found, of ${point.service}`);
      }
    }
    const copied = await copyAll(wanted, repository, bar);
    const point = await repository.seal({ at, files: copied.files, damaged: copied.damaged });
    const bytes = copied.files.reduce((sum, file) => sum + file.bytes, 0);
    const { copied_files, copied_bytes, damaged } = copied;
    return { point, files: copied.files.length, bytes, copied_files, copied_bytes, held_ms, damaged };
  } finally {
    clearInterval(touching);
    // Services that cannot be reached release theirs by themselves.
    await Promise.all(held.map((point) => point.release().catch(() => undefined)));
    await rm(holding, { force: true });
  }
}

/**
 * Snapshots of all services that are of one moment. While they are taken nobody outside is answered: whoever was answered
 * before has what was done in them, and what is done for whoever asks afterwards is in none. Gives the milliseconds.
 */
async function holdSnapshots(client: ServiceClient, held: ServiceSnapshot[]): Promise<number> {
  const services = snapshotOrder();
  for (let tries = 1; tries <= triesMax; tries++) {
    const started = performance.now();
    const areOfOneMoment = await client.whileHeld(services, async () => {
      for (const service of services) held.push(await client.snapshot(service));
    });
    if (areOfOneMoment) return Math.round(performance.now() - started);
    await Promise.all(held.splice(0).map((point) => point.release()));
  }
  throw new BackupError(
    `services took longer to fix what they keep than their answers may be held, ${triesMax} times: try again when less is being done`,
  );
}

/** Releases the snapshots of a backup that was killed: a service holds only a few at once, for ten minutes each. */
async function releaseThoseOf(holding: string, client: ServiceClient): Promise<void> {
  const bytes = await readOrNull(holding);
  if (!bytes) return;
  const left = JSON.parse(new TextDecoder().decode(bytes)) as { service: string; id: string }[];
  await Promise.all(left.map(({ service, id }) => client.release(service, id)));
  await rm(holding);
}

interface Wanted {
  point: ServiceSnapshot;
  file: SnapshotFile;
}

async function copyAll(wanted: readonly Wanted[], repository: Repository, bar: ProgressBar) {
  const known = await knownObjects(repository);
  const files: KeptFile[] = [];
  const damaged: Damaged[] = [];
  const total = wanted.reduce((sum, { file }) => sum + file.bytes, 0);
  const copied = { copied_files: 0, copied_bytes: 0 };
  let done = 0;
  await pMap(
    wanted,
    async ({ point, file }) => {
      const { service } = point;
      const sha256 = file.sha256 ?? known.get(identityOf(file));
      const isKnown = sha256 !== undefined && (await repository.has({ sha256, bytes: file.bytes }));
      try {
        const { isNew, ...blob } = isKnown
          ? { sha256, bytes: file.bytes, isNew: false }
          : await copy({ point, file }, repository);
        files.push({ ...file, service, ...blob });
        if (isNew) copied.copied_files += 1;
        if (isNew) copied.copied_bytes += file.bytes;
      } catch (error) {
        if (!(error instanceof Unreadable || error instanceof Mismatch)) throw error;
        damaged.push({ service, path: file.path, problem: error.message });
      }
      done += file.bytes;
      bar.step(done, total, `${service}/${file.path}`);
    },
    { concurrency: copiesAtOnce },
  );
  const byPlace = (a: { service: string; path: string }, b: { service: string; path: string }) =>
    a.service < b.service || (a.service === b.service && a.path < b.path) ? -1 : 1;
  return { files: files.sort(byPlace), damaged: damaged.sort(byPlace), ...copied };
}

async function copy({ point, file }: Wanted, repository: Repository) {
  const body = await point.open(file.path);
  try {
    return await repository.add(body, {
      bytes: file.bytes,
      ...(file.sha256 !== undefined && { sha256: file.sha256 }),
    });
  } catch (cause) {
    if (cause instanceof Mismatch || cause instanceof BackupError) throw cause;
    throw new BackupError(
      `${point.service} broke off ${file.path}: ${(cause as Error).message}. Run the backup again: it goes on where it was`,
      { cause },
    );
  }
}

/** Identifies an object without its hash: the etag of an S3 server is not one. */
const identityOf = ({ bytes, object }: SnapshotFile): string =>
  object ? JSON.stringify([object.bucket, object.key, object.etag, bytes]) : "";

/** The hashes of the objects of the newest point that can be read. */
async function knownObjects(repository: Repository): Promise<Map<string, string>> {
  for (const name of (await repository.points()).reverse()) {
    const record = await repository.read(name).catch(() => undefined);
    if (record)
      return new Map(
        record.files.filter(({ object }) => object).map((file) => [identityOf(file), file.sha256]),
      );
  }
  return new Map();
}
