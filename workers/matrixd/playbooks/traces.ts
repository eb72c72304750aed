/**
 * Which playbooks count: one that came from a trace only while pathwayd calls the trace alive. Nothing is kept
 * between calls, so that a retired trace is silent from the very next search on; a search asks about the few playbooks
 * that match it.
 */
import type { CallOptions, ClientOf } from "../../../runtime/contract/contract.ts";
import { ServiceError } from "../../../runtime/errors/errors.ts";
import type { Log } from "../../../runtime/telemetry/telemetry.ts";
import type { Pathwayd } from "../../pathwayd/contract.ts";
import type { PlaybookEntry } from "./state.ts";

/** Most uids of one call, as pathwayd takes them. */
const uidsMax = 10_000;

/** Longest wait of a search for pathwayd, in milliseconds. */
const searchWaitMs = 1000;

export interface PlaybookTraces {
  /** Those without a trace, and those whose trace is alive. Throws when pathwayd does not answer. */
  alive: (entries: readonly PlaybookEntry[], options: CallOptions) => Promise<PlaybookEntry[]>;
  /** Whether one trace is. Throws when pathwayd does not answer. */
  isAlive: (uid: string, signal: AbortSignal) => Promise<boolean>;
  /** The same for searches: when pathwayd does not answer, all that came from traces are left out. */
  surelyAlive: (entries: readonly PlaybookEntry[], signal: AbortSignal) => Promise<PlaybookEntry[]>;
}

export function createPlaybookTraces(pathwayd: Pick<ClientOf<Pathwayd>, "alive">, log: Log): PlaybookTraces {
  const alive: PlaybookTraces["alive"] = async (entries, options) => {
    const uids = new Set<string>();
    for (const { playbook } of entries) if (playbook.trace_uid !== undefined) uids.add(playbook.trace_uid);
    const living = new Set<string>();
    const all = [...uids];
    for (let from = 0; from < all.length; from += uidsMax) {
      const answer = await pathwayd.alive({ uids: all.slice(from, from + uidsMax) }, options);
      for (const uid of answer.alive) living.add(uid);
    }
    return entries.filter(({ playbook: { trace_uid: uid } }) => uid === undefined || living.has(uid));
  };
  return {
    alive,
    isAlive: async (uid, signal) => (await pathwayd.alive({ uids: [uid] }, { signal })).alive.includes(uid),
    surelyAlive: async (entries, signal) => {
      try {
        return await alive(entries, { signal, timeoutMs: searchWaitMs });
      } catch (cause) {
        signal.throwIfAborted();
        if (!(cause instanceof ServiceError)) throw cause;
        log.warn("playbooks of traces are left out: pathwayd does not answer", { type: cause.type });
        return entries.filter(({ playbook }) => playbook.trace_uid === undefined);
      }
    },
  };
}
