/** What every service is given, and how a service is declared. */

import type { Config } from "../config/config.ts";
import type { Contract, Peer, Running } from "../contract/contract.ts";
import type { Face } from "../http/http.ts";
import type { Idempotency } from "../idempotency/idempotency.ts";
import type { Marks } from "../marks/marks.ts";
import type { Clock } from "../scheduling/scheduling.ts";
import type { Secrets } from "../secrets/secrets.ts";
import type { Adopted } from "../store/store.ts";
import type { Log, Metrics } from "../telemetry/telemetry.ts";
import type { Live } from "./protocol.ts";

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
  /** How far what this service keeps has come; kept apart from it. */
  marks: Marks;
  /** Whether the operator has accepted what is at this place as it stands, by `--adopt=pathwayd/traces.log`. */
  adopted: Adopted;
  peers: { [N in keyof Peers]: Peer<Peers[N]> };
  /** What a reload changes, as it is now, such as who may call. */
  live: () => Live;
  /** The services of this process as the supervisor last saw them. */
  system: () => ServiceStatus[];
}

/** A service is its contract, those of the services it calls, and how to make one that runs. */
export interface ServiceDefinition<
  C extends Contract,
  Peers extends Record<string, Contract> = Record<never, never>,
> {
  contract: C;
  /** Must be what `topology.ts` declares as its calls. */
  peers?: Peers;
  /** It keeps in its directory what it cannot do without: where that is gone, it is refused as a whole. */
  keepsState?: true;
  create: (deps: Deps<Peers>) => Promise<Running<C>>;
  /** Adds routes of its own to the HTTP face: only the gateway does. */
  mount?: (face: Face, deps: Deps<Peers>) => void;
}

/** `hung`: it does not answer and does nothing; it is ready again as soon as it answers. */
export type ServiceState = "starting" | "ready" | "hung" | "restarting" | "failed" | "stopping" | "stopped";

/** One service as the supervisor sees it. */
export interface ServiceStatus {
  name: string;
  state: ServiceState;
  /** Where it listens, as http://127.0.0.1:3211. */
  address: string;
  started_at?: string;
  restarts: number;
  last_error?: string;
}
