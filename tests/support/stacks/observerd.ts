/** observerd in this thread over peers that are away, or that a test plays: chatd and matrixd by their contracts. */
import { join } from "node:path";
import type { Config } from "../../../runtime/config/settings.ts";
import type { ClientOf, Contract, Peer } from "../../../runtime/contract/endpoints.ts";
import { fail } from "../../../runtime/errors/errors.ts";
import type { Secrets } from "../../../runtime/secrets/secrets.ts";
import type { Call as CallSchema, Chatd } from "../../../workers/chatd/contract.ts";
import type { Matrixd } from "../../../workers/matrixd/contract.ts";
import { observerd } from "../../../workers/observerd/contract.ts";
import { createObserverd, type ObserverdDeps } from "../../../workers/observerd/service.ts";
import type { Queryd } from "../../../workers/queryd/contract.ts";
import { configWith, type InProcess, startInProcess } from "./in-process.ts";

type Static<T> = T extends { static: infer S } ? S : never;
export type ChatCall = Static<typeof CallSchema>;
export type InProcessObserverd = InProcess<typeof observerd>;

/** A peer that does not run. */
function away<C extends Contract>(name: string): Peer<C> {
  const refuse = async () => {
    throw fail("unavailable", `${name} is not running`, { retryAfterSeconds: 1 });
  };
  return { verbs: new Proxy({}, { get: () => refuse }) as ClientOf<C>, fetch: refuse };
}

export interface ObserverdOptions {
  dataDir: string;
  section?: Partial<Config["observerd"]>;
  chatd?: Partial<ClientOf<Chatd>>;
  matrixd?: Partial<ClientOf<Matrixd>>;
  peers?: Partial<ObserverdDeps["peers"]>;
  secrets?: Secrets;
  adopted?: (place: string) => boolean;
}

const played = <C extends Contract>(name: string, verbs: Partial<ClientOf<C>> | undefined): Peer<C> => {
  const none = away<C>(name);
  const get = (_: object, verb: string) =>
    (verbs as Record<string, unknown> | undefined)?.[verb] ?? (none.verbs as Record<string, unknown>)[verb];
  return { ...none, verbs: new Proxy({}, { get }) as ClientOf<C> };
};

/** Starts it over a directory; what a test does not play is away. */
export function startObserverd(options: ObserverdOptions): Promise<InProcessObserverd> {
  const { dataDir, section = {}, chatd, matrixd, peers = {}, secrets, adopted } = options;
  return startInProcess<typeof observerd, { [N in keyof ObserverdDeps["peers"]]: Contract }>(
    { contract: observerd, create: createObserverd as never },
    {
      config: configWith({ data_dir: dataDir, observerd: section }),
      peers: {
        storaged: away("storaged"),
        pathwayd: away("pathwayd"),
        matrixd: played<Matrixd>("matrixd", matrixd),
        chatd: played<Chatd>("chatd", chatd),
        queryd: played<Queryd>("queryd", { offered: async () => ({ missing: [] }) }),
        ...peers,
      } as never,
      ...(secrets && { secrets }),
      ...(adopted && { adopted }),
    },
  );
}

/** Where its log stands. */
export const observerdDirectory = (dataDir: string): string => join(dataDir, "observerd");

/** chatd's record of calls, as its contract says it. */
export function playChatCalls(life = "life-1") {
  let calls: ChatCall[] = [];
  let current = life;
  const waiters: (() => void)[] = [];
  const wake = () => {
    for (const waiter of waiters.splice(0)) waiter();
  };
  return {
    add: (call: Partial<ChatCall>) => {
      const usual = {
        at: "2026-01-01T00:00:00.000Z",
        request_id: "r",
        provider: "p",
        model: "m",
        outcome: "ok",
      };
      const counts = { streamed: false, duration_ms: 5, fallbacks: 0, retries: 0, cached: false };
      calls.push({ ...usual, ...counts, sequence: calls.length + 1, ...call });
      wake();
    },
    /** Forgets everything, as a start does. */
    restart: (next: string) => {
      calls = [];
      current = next;
      wake();
    },
    verbs: {
      calls: async ({ after, wait_ms = 0 }, { signal, timeoutMs = 60_000 } = {}) => {
        const found = () => calls.filter(({ sequence }) => sequence > after);
        if (found().length === 0 && wait_ms > 0) {
          const { promise, resolve } = Promise.withResolvers<void>();
          waiters.push(resolve);
          const timer = setTimeout(resolve, Math.min(wait_ms, timeoutMs));
          signal?.addEventListener("abort", () => resolve(), { once: true });
          await promise;
          clearTimeout(timer);
          signal?.throwIfAborted();
        }
        return { calls: found(), life: current, missed: 0 };
      },
    } satisfies Partial<ClientOf<Chatd>>,
  };
}
