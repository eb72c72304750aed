/** Findings about an index: what is wrong, and what repairs it. */
import type { Finding } from "../../../runtime/durable/durable.ts";
import { manifestKey } from "../lhv1/lhv1.ts";
import { acceptance } from "../objects/objects.ts";
import type { Needed } from "./objects.ts";

/** Keys that one finding names; more are counted. */
const namedMax = 10;

const damage = (key: string, problem: string, remedy: string): Finding => ({
  severity: "damage",
  place: `primary://${key}`,
  problem,
  remedy,
});

const path = (name: string): string => `/v1/vectors/index/${name}`;
const anew = (name: string): string => `drop it (DELETE ${path(name)}) and add its items again`;

/** An object that is damaged or missing. `isLive`: the rows are in memory, where they were whole. */
export function damagedObject(
  name: string,
  { key, why, contents, snapshots }: Needed,
  isLive: boolean,
): Finding {
  const of = snapshots.length === 1 ? `snapshot ${snapshots[0]}` : `${snapshots.length} snapshots`;
  const needs = [...(contents ? ["its contents"] : []), ...(snapshots.length > 0 ? [of] : [])].join(" and ");
  const drop = `delete what cannot be restored (DELETE ${path(name)}/snapshots/{id}: ${named(snapshots)}) and take another`;
  const helps = [
    ...(contents ? [contentsAgain(name, key, isLive)] : []),
    ...(snapshots.length > 0 ? [drop] : []),
  ];
  return damage(key, `index '${name}' needs it for ${needs}: ${why}`, helps.join("; then "));
}

function contentsAgain(name: string, key: string, isLive: boolean): string {
  if (isLive)
    return `the rows are whole in memory: POST ${path(name)}/compact writes them anew; do not restart vectord before`;
  if (key.endsWith(".engine"))
    return `restart vectord, which builds it from the rows, then POST ${path(name)}/compact`;
  return `restore a snapshot (POST ${path(name)}/snapshots/{id}/restore) or a backup (bun run restore), or ${anew(name)}`;
}

export function damagedManifest(name: string, why: string, isLive: boolean): Finding {
  const read = isLive
    ? `while vectord runs its items can still be read (POST ${path(name)}/items/scroll); `
    : "";
  return damage(manifestKey(name), why, `${read}restore a backup (bun run restore), or ${anew(name)}`);
}

export const missingManifest = (name: string): Finding =>
  damage(
    manifestKey(name),
    `it is missing, and index '${name}' is open: a start would take the index for dropped and remove the rest`,
    `do not restart vectord before it is back from a backup (bun run restore), or before its items are read out (POST ${path(name)}/items/scroll)`,
  );

/** Of an index that is closed, and not as its mark says. */
export const lostIndex = (name: string, why: string): Finding =>
  damage(
    manifestKey(name),
    why,
    `put it back from a backup (bun run restore) and restart vectord, or ${acceptance(name)}`,
  );

export const strangeManifest = (name: string): Finding =>
  damage(
    manifestKey(name),
    `it is not the one that vectord wrote: something else has changed it`,
    `let one vectord alone use the bucket; put the manifest back from a backup (bun run restore) and restart vectord, or ${acceptance(name)}`,
  );

export const otherCount = (name: string, stored: number, live: number): Finding =>
  damage(
    manifestKey(name),
    `index '${name}' has ${live} items in memory, and its objects give ${stored}`,
    `take a snapshot (POST ${path(name)}/snapshots), then restart vectord: it opens what is in storage`,
  );

/** Objects that no manifest names. */
export function orphans(name: string, objects: readonly { key: string; bytes: number }[]): Finding {
  const bytes = objects.reduce((sum, object) => sum + object.bytes, 0);
  const count = objects.length === 1 ? "1 object" : `${objects.length} objects`;
  return {
    severity: "leftover",
    place: `primary://vectors/${name}`,
    problem: `${count} of ${bytes} bytes that no index needs: ${named(objects.map(({ key }) => key))}`,
    remedy:
      "nothing reads them: vectord removes them when it next starts, or DELETE /v1/storage/delete/<key>",
  };
}

const named = (texts: readonly string[]): string =>
  texts.slice(0, namedMax).join(", ") +
  (texts.length > namedMax ? ` and ${texts.length - namedMax} more` : "");
