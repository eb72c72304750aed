/** The folders of services as parts of a store: begun once, and refused when they are gone or another store's. */
import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import type { Contract, RawOf, Running, VerbsOf } from "../contract/contract.ts";
import { type Durable, readOrNull, writeAtomic } from "../durable/durable.ts";
import { fail } from "../errors/errors.ts";
import { closedIdempotency, type Idempotency } from "../idempotency/idempotency.ts";
import { type Adoption, openStore, type Stamped, stampFile, storeFile } from "../store/store.ts";
import type { Log } from "../telemetry/telemetry.ts";

/** A stamp in a file. `directory` must exist for it to be written. */
export function stampedDirectory(place: Pick<Stamped, "kind" | "name" | "at">, directory: string): Stamped {
  const path = join(directory, stampFile);
  return {
    ...place,
    read: () => readOrNull(path),
    write: (text) => writeAtomic(path, text),
    setAside: async (suffix) => {
      if ((await readOrNull(path)) !== null) await copyFile(path, path + suffix);
    },
  };
}

export function serviceFolder(dataDir: string, name: string): Stamped {
  const at = join(dataDir, name);
  return stampedDirectory({ kind: "service", name, at }, at);
}

interface Beginning {
  dataDir: string;
  services: readonly string[];
  adoption: Adoption;
  log: Log;
  now: () => string;
}

/**
 * Begins the folders of these services, whose locks the caller holds. Those that are refused are logged: their services
 * start all the same, and report it too.
 */
export async function beginFolders({ dataDir, services, adoption, log, now }: Beginning): Promise<void> {
  const store = await openStore({ dataDir, now, log });
  if (store.doubt !== undefined && adoption.adopted(storeFile, store.doubt)) await store.trust();
  else if (store.doubt !== undefined)
    log.error("what was begun is not known for sure", { reason: store.doubt });
  const places = services.map((name) => serviceFolder(dataDir, name));
  const verdicts = await store.admit(places, adoption.adopted);
  for (const [at, verdict] of verdicts.entries())
    if (verdict !== "ours")
      log.error("a service's folder is refused", { name: services[at], reason: verdict.refusal });
}

/** What is wrong with a service's folder, before it is used. */
export interface FolderState {
  /** Why it is not what was begun: nothing that it held is there. */
  refusal?: string;
  /** All problems of it. */
  reasons: string[];
}

export async function folderState(
  name: string,
  options: Pick<Beginning, "dataDir" | "now" | "log">,
): Promise<FolderState> {
  const { look, doubt } = await openStore(options);
  const verdict = await look(serviceFolder(options.dataDir, name));
  const refusal = typeof verdict === "object" ? verdict.refusal : undefined;
  const reasons = [refusal, doubt].filter((reason) => reason !== undefined);
  return { ...(refusal !== undefined && { refusal }), reasons };
}

/** Answers to Idempotency-Keys are lost with a folder: whether such a request was carried out is not known. */
export function refusingIdempotency({ refusal }: FolderState): Idempotency | undefined {
  if (refusal === undefined) return undefined;
  const why = fail("corrupt", `what was done for Idempotency-Keys is not known: ${refusal}`);
  const closed = closedIdempotency(why);
  // The folder is named already.
  const inspect = async function* () {};
  return {
    ...closed,
    problems: () => [],
    durable: (service) => ({ ...closed.durable(service), inspect }),
  };
}

/** In place of a service that cannot do without what its folder held: it answers nothing else. */
export function refusingService<C extends Contract>(
  { contract, keepsState }: { contract: C; keepsState?: true },
  { refusal }: FolderState,
): Running<C> | undefined {
  if (refusal === undefined || !keepsState) return undefined;
  const refuse = async () => {
    throw fail("corrupt", refusal, { details: { service: contract.name } });
  };
  const all = Object.fromEntries(Object.keys(contract.endpoints).map((endpoint) => [endpoint, refuse]));
  return {
    verbs: all as unknown as VerbsOf<C>,
    raw: all as unknown as RawOf<C>,
    durable: { inspect: async function* () {}, snapshot: refuse },
    stop: async () => {},
  };
}

/** What the service keeps, with what is wrong with its folder first. */
export const withFolderState = (kept: Durable, name: string, { reasons }: FolderState): Durable => ({
  ...kept,
  inspect: async function* (signal) {
    for (const problem of reasons) {
      const remedy =
        "bring back what is missing and start again; the problem names the flag that accepts the loss";
      yield { finding: { severity: "damage", place: `${name}/`, problem, remedy } };
    }
    yield* kept.inspect(signal);
  },
});
