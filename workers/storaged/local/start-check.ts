/**
 * Compares the names of a local bucket's objects with those of their sidecars, without reading either: missing bytes
 * are known before anybody asks for them.
 */
import { lstat, rename } from "node:fs/promises";
import { join } from "node:path";
import { readOrNull } from "../../../runtime/durable/durable.ts";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import { isThere, type Layout, namesIn } from "./layout.ts";
import { walk } from "./list.ts";

/**
 * Keys of objects without a sidecar, of sidecars without an object, and of writes that a crash cut off, as they were
 * listed: check again under the key's lock. Names are kept as numbers, a few MiB for 100,000 objects.
 */
export async function* unpairedKeys(layout: Layout, signal: AbortSignal): AsyncGenerator<string> {
  const named = new Set<number>();
  let isCutOff = false;
  for await (const names of sidecars(layout))
    for (const name of names) {
      if (name.endsWith(".json")) named.add(numberOf(name));
      else isCutOff = true;
    }
  for await (const { name: key } of walk({ root: layout.root, prefix: "" })) {
    signal.throwIfAborted();
    if (!named.delete(numberOf(layout.sidecarName(key)))) yield key;
  }
  if (named.size === 0 && !isCutOff) return;
  for await (const names of sidecars(layout))
    for (const name of names) {
      signal.throwIfAborted();
      if (name.endsWith(".json") && !named.has(numberOf(name))) continue;
      const key = await keyOf(join(layout.records, name.slice(0, 2), name));
      if (key !== undefined && name.startsWith(layout.sidecarName(key))) yield key;
    }
}

/** Files asked about at once. */
const asksAtOnce = 32;
/**
 * Rest after each of these, in milliseconds: 32 cost half a millisecond of a processor, which belongs to the start of all
 * services while it goes on. 100,000 objects are compared within a minute.
 */
const restMs = 10;

/**
 * Keys of objects whose file has changed since its sidecar was put in place, which is the last step of a write: by the
 * files' times, without reading them. A bit flipped by the disk changes no time and is only found by reading.
 */
export async function* changedKeys(
  layout: Layout,
  clock: Pick<Clock, "sleep">,
  signal: AbortSignal,
): AsyncGenerator<string> {
  let keys: string[] = [];
  for await (const { name: key } of walk({ root: layout.root, prefix: "" })) {
    keys.push(key);
    if (keys.length < asksAtOnce) continue;
    signal.throwIfAborted();
    yield* await changedOf(layout, keys);
    keys = [];
    await clock.sleep(restMs, signal);
  }
  yield* await changedOf(layout, keys);
}

async function changedOf(layout: Layout, keys: readonly string[]): Promise<string[]> {
  const isChanged = await Promise.all(
    keys.map(async (key) => (await changedAt(layout.data(key))) > (await changedAt(layout.record(key)))),
  );
  return keys.filter((_, at) => isChanged[at]);
}

/** In milliseconds; never for a file that is gone by now. */
const changedAt = (path: string): Promise<number> =>
  lstat(path).then(
    ({ ctimeMs }) => ctimeMs,
    () => Number.NaN,
  );

/**
 * Migration: a sidecar without its object used to be what a crash left of a delete. Those are set aside once; from
 * then on such a sidecar means missing bytes.
 */
export async function putAsideFormer(layout: Layout): Promise<void> {
  for await (const key of unpairedKeys(layout, new AbortController().signal)) {
    const record = layout.record(key);
    if ((await isThere(record)) && !(await isThere(layout.data(key))))
      await rename(record, record.replace(/json$/, "former"));
  }
}

/** 48 bits of the name identify it, and are an exact number. */
const numberOf = (name: string): number => Number.parseInt(name.slice(0, 12), 16);

/** The names of sidecars, folder by folder. */
async function* sidecars(layout: Layout): AsyncGenerator<string[]> {
  for (const folder of await namesIn(layout.records))
    yield (await namesIn(join(layout.records, folder))).filter((name) => sidecarForm.test(name));
}

const sidecarForm = /^[0-9a-f]{64}\.(json|next|deleted)$/;

/** The key that a sidecar names; undefined when it cannot be read or is gone. */
async function keyOf(path: string): Promise<string | undefined> {
  const bytes = await readOrNull(path);
  if (bytes === null) return undefined;
  try {
    const { record } = JSON.parse(new TextDecoder().decode(bytes));
    return typeof record.key === "string" ? record.key : undefined;
  } catch {
    return undefined;
  }
}
