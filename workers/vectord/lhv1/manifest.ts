/**
 * The manifest: the only object of an index that changes, and the one truth about it. What it does not name is
 * an orphan. An object of LHV1 with one section, HEAD.
 */
import type { Static } from "@sinclair/typebox";
import { closed, t } from "../../../runtime/contract/contract.ts";
import { IndexConfig } from "../schemas/schemas.ts";
import { corrupt, createFrameWriter, decodeHead, encodeHead, readFrame, sourceOf } from "./frame.ts";
import { isUnder } from "./keys.ts";

const count = t.Integer({ minimum: 0 });

const Checkpoint = closed({
  id: t.String(),
  key: t.String(),
  bytes: count,
  rows: count,
  /** Of the object's checksums: tells it from every other. */
  chain: t.String(),
  /** The engine's file over exactly these rows, in whatever form the engine writes. */
  engine: t.Optional(closed({ key: t.String(), bytes: count, sha256: t.String() })),
});

/** What the contents are made of: a checkpoint, and the segments of an incarnation after it. */
const contents = {
  config: IndexConfig,
  /** Chosen anew by create and restore; part of the keys, so that nothing of an earlier index is ever taken for its own. */
  incarnation: t.String({ minLength: 1 }),
  checkpoint: t.Optional(Checkpoint),
  /** Segments up to this sequence are in the checkpoint. */
  base: count,
};

const KeptSnapshot = closed({
  id: t.String(),
  created_at: t.String({ format: "date-time" }),
  count,
  bytes: count,
  ...contents,
  /** The last segment that belongs to it. */
  last: count,
});

const Manifest = closed({
  name: t.String(),
  /** Chosen anew by every write: tells a write that has arrived from one that was lost. */
  write: t.String(),
  ...contents,
  snapshots: t.Array(KeptSnapshot),
});

export type Checkpoint = Static<typeof Checkpoint>;
export type KeptSnapshot = Static<typeof KeptSnapshot>;
export type Manifest = Static<typeof Manifest>;

/** The bytes of the manifest. */
export function encodeManifest(manifest: Manifest): Uint8Array<ArrayBuffer> {
  const frame = createFrameWriter("manifest");
  const pieces = [frame.header, encodeHead(frame, manifest), frame.end().bytes];
  return new Uint8Array(Buffer.concat(pieces));
}

/** The inverse of `encodeManifest`, for the index of this name. Throws `corrupt`. */
export async function decodeManifest(
  key: string,
  name: string,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<Manifest> {
  const frame = await readFrame(sourceOf(key, bytes), "manifest");
  const manifest = await decodeHead(frame, Manifest);
  if (await frame.next()) throw corrupt(key, "a section follows its head");
  if (manifest.name !== name) throw corrupt(key, `it is the manifest of '${manifest.name}', copied here`);
  const strange = objectsOf(manifest).find((object) => !isUnder(name, object));
  if (strange !== undefined) throw corrupt(key, `it names '${strange}', which is not an object of the index`);
  return manifest;
}

/** The keys of checkpoints and engine files that the manifest and its snapshots need. */
export const objectsOf = (manifest: Manifest): string[] =>
  [manifest, ...manifest.snapshots].flatMap(({ checkpoint }) =>
    checkpoint ? [checkpoint.key, ...(checkpoint.engine ? [checkpoint.engine.key] : [])] : [],
  );
