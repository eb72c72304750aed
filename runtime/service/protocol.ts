/** The messages between the supervisor and its workers. */

import type { Config, Provenance, ServiceSection } from "../config/config.ts";
import type { ServiceStatus } from "./declaration.ts";

/** How one worker reaches another service: over a port when it is in this process, else over HTTP. */
export interface PeerLink {
  url: string;
  /** In this process; `port` is absent while the peer is not running. */
  local: boolean;
  port?: MessagePort;
}

/** What a running service takes on; everything else needs a restart. */
export interface Live {
  auth: Config["auth"];
  log: Config["log"];
  provenance: Provenance;
}

export interface Init {
  type: "init";
  name: ServiceSection;
  config: Config;
  provenance: Provenance;
  peers: Record<string, PeerLink>;
  /** The services as they are at this start, itself included. */
  services: ServiceStatus[];
  /** Places that the operator accepts as they stand: runtime/store/adoption.ts. */
  adopted: readonly string[];
}

export type ToWorker =
  | Init
  | { type: "serve"; port: MessagePort }
  | { type: "peer"; name: string; link: PeerLink }
  | { type: "system"; services: ServiceStatus[] }
  /** Holds for requests that begin afterwards; answered with `reloaded`. */
  | { type: "reload"; live: Live }
  | { type: "ping" }
  /** All services stop, this one in its turn: what only waits ends now, and after `ms` whatever is open. */
  | { type: "drain"; ms: number }
  | { type: "stop"; drainMs: number };

export type FromWorker =
  /** The first message: the system's number of its thread, where the system has one. */
  | { type: "thread"; id: number | undefined }
  /** `asked`: the places that had to be adopted, or were refused. */
  | { type: "ready"; port: number; asked: string[] }
  /** It could not start, or met an error it did not expect; it closes down by itself and sends `closed`. */
  | { type: "fatal"; message: string; code?: string }
  | { type: "pong" }
  | { type: "reloaded" }
  /** Nothing native is in flight any more: the thread may be ended. */
  | { type: "closed" };
