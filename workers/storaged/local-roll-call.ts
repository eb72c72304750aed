/**
 * Holds the names of a local bucket's objects against those of their sidecars, without reading either: bytes that are
 * gone are known before anybody asks for them.
 */
import { readdir, rename } from "node:fs/promises";
import { join } from "node:path";
import { errorCode, readOrNull } from "../../runtime/files.ts";
import { isThere, type Layout } from "./local-layout.ts";
import { walk } from "./local-list.ts";

/**
 * Keys of objects without a sidecar, of sidecars without an object, and of what a crash has cut off. They were odd when
 * they were looked at: look again under the lock of the key. Names are kept as numbers, a few MiB for 100,000 objects.
 */
export async function* oddKeys(layout: Layout, signal: AbortSignal): AsyncGenerator<string> {
  const named = new Set<number>();
  for await (const { number, end } of sidecars(layout)) if (end === "json") named.add(number);
  for await (const { name: key } of walk({ root: layout.root, prefix: "" })) {
    signal.throwIfAborted();
    if (!named.delete(numberOf(layout.sidecarName(key)))) yield key;
  }
  for await (const { number, end, path } of sidecars(layout)) {
    signal.throwIfAborted();
    if (end === "json" && !named.has(number)) continue;
    const key = await keyOf(path);
    if (key !== undefined && path.includes(layout.sidecarName(key))) yield key;
  }
}

/**
 * Before sidecars told what was deleted, one without its object was what a crash had left of a delete. Such ones are
 * put aside, once, so that from then on each of them is bytes that are missing.
 */
export async function putAsideFormer(layout: Layout): Promise<void> {
  for await (const key of oddKeys(layout, new AbortController().signal)) {
    const record = layout.record(key);
    if ((await isThere(record)) && !(await isThere(layout.data(key))))
      await rename(record, record.replace(/json$/, "former"));
  }
}

/** Enough of the name to tell it from every other: 48 bits are an exact number. */
const numberOf = (name: string): number => Number.parseInt(name.slice(0, 12), 16);

interface Sidecar {
  number: number;
  end: string;
  path: string;
}

async function* sidecars(layout: Layout): AsyncGenerator<Sidecar> {
  for (const folder of await namesIn(layout.records)) {
    for (const name of await namesIn(join(layout.records, folder))) {
      const end = /^[0-9a-f]{64}\.(json|next|deleted)$/.exec(name)?.[1];
      if (end !== undefined) yield { number: numberOf(name), end, path: join(layout.records, folder, name) };
    }
  }
}

const namesIn = (path: string): Promise<string[]> =>
  readdir(path).catch((cause) => {
    if (errorCode(cause) === "ENOENT" || errorCode(cause) === "ENOTDIR") return [];
    throw cause;
  });

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
