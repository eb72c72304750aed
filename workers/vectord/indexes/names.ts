/** Names of indexes and aliases: one space of names, two places where they are kept. */
import { fail, ServiceError } from "../../../runtime/errors/errors.ts";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import { describe, type Log } from "../../../runtime/telemetry/telemetry.ts";
import { type Aliases, type AliasStore, openAliases } from "./aliases.ts";
import type { LiveIndex } from "./live-index.ts";
import { whenStored } from "./opening.ts";
import type { Indexes } from "./registry.ts";

export interface Names {
  /** The index of this name or of this alias. Throws as `Indexes.get` does. */
  resolve: (name: string) => LiveIndex;
  /** Throws `unavailable` until they are read, `corrupt` when they cannot be. */
  aliases: () => Aliases;
  /** Aliases of the index, as far as they are known. */
  aliasesOf: (index: string) => string[];
  /** Throws `conflict` when an alias has this name. */
  refuseAlias: (name: string) => void;
  pending: () => string[];
  opened: Promise<void>;
  stop: () => Promise<void>;
}

export function openNames(
  indexes: Indexes,
  store: AliasStore,
  { clock, log, adopted }: { clock: Clock; log: Log; adopted: boolean },
): Names {
  const stopping = new AbortController();
  let known: Aliases | undefined;
  let failure: ServiceError | undefined;
  const opened = (async () => {
    try {
      known = await whenStored(() => openAliases(store, adopted), { clock, log, signal: stopping.signal });
    } catch (error) {
      if (stopping.signal.aborted) return;
      log.error("the aliases cannot be read", describe(error));
      failure = error instanceof ServiceError ? error : fail("corrupt", "the aliases cannot be read");
    }
  })();
  const aliases = (): Aliases => {
    if (failure) throw failure;
    if (!known) throw fail("unavailable", "vectord is reading its aliases", { retryAfterSeconds: 1 });
    return known;
  };

  return {
    resolve: (name) => {
      if (indexes.has(name)) return indexes.get(name);
      return indexes.get(aliases().target(name) ?? name);
    },
    aliases,
    aliasesOf: (index) => known?.of(index) ?? [],
    refuseAlias: (name) => {
      if (aliases().target(name) !== undefined)
        throw fail("conflict", `there is an alias named '${name}' already`);
    },
    pending: () => (failure ? [failure.message] : known ? [] : ["the aliases are being read"]),
    opened,
    stop: async () => {
      stopping.abort(new Error("vectord is stopping"));
      await opened;
    },
  };
}
