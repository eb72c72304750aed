/** What every service is given, and how a service is declared. */
import type { Clock } from "./clock.ts";
import type { Contract, Peer, Running } from "./contract.ts";
import type { Idempotency } from "./idempotency.ts";
import type { Log } from "./log.ts";
import type { Metrics } from "./metrics.ts";
import type { Secrets } from "./secrets.ts";
import type { Config } from "./settings.ts";

/** What the runtime hands to every service's `create`; `Peers` are the services it declared to call. */
export interface Deps<Peers extends Record<string, Contract> = Record<never, never>> {
  config: Config;
  clock: Clock;
  log: Log;
  metrics: Metrics;
  secrets: Secrets;
  /** For raw endpoints; verbs that write are covered by the runtime already. */
  idempotency: Idempotency;
  /** An unguessable identifier. */
  newId: () => string;
  /** Absolute; created, and owned by this service alone: `<data_dir>/<service>`. */
  directory: string;
  peers: { [N in keyof Peers]: Peer<Peers[N]> };
}

/** A service is its contract and how to make one that runs. */
export interface ServiceDefinition<
  C extends Contract,
  Peers extends Record<string, Contract> = Record<never, never>,
> {
  contract: C;
  create: (deps: Deps<Peers>) => Promise<Running<C>>;
}
