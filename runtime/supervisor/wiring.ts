/** Who talks to whom: fresh channels between running services, and new ones when a service was replaced. */

import { parseBind, urlOf } from "../addresses/addresses.ts";
import type { Config, ServiceSection } from "../config/config.ts";
import type { PeerLink, ServiceState } from "../service/service.ts";
import type { Topology } from "../topology.ts";
import type { Unit } from "./unit.ts";

/** What the supervisor keeps of one service. */
export interface Slot {
  name: ServiceSection;
  unit: Unit | undefined;
  state: ServiceState;
  /** Where it listens now, or will by its configuration. */
  url: string;
  startedAt: string | undefined;
  restarts: number;
  /** When it was restarted lately, in monotonic milliseconds. */
  recent: number[];
  lastError: string | undefined;
}

export function createWiring(slots: ReadonlyMap<ServiceSection, Slot>, topology: Topology, config: Config) {
  /** Without a port the caller's calls fail at once, until it is linked anew. */
  const connect = (callee: ServiceSection): PeerLink => {
    const slot = slots.get(callee);
    if (!slot) return { url: remoteUrl(callee, config), local: false };
    // One that hangs takes its channels when it goes on.
    const isThere = slot.state === "ready" || slot.state === "hung";
    if (!isThere || !slot.unit) return { url: slot.url, local: true };
    const { port1, port2 } = new MessageChannel();
    slot.unit.send({ type: "serve", port: port2 }, [port2]);
    return { url: slot.url, local: true, port: port1 };
  };
  return {
    /** Links from a service to each one it calls. */
    linksOf: (caller: ServiceSection): Record<string, PeerLink> =>
      Object.fromEntries(topology[caller].calls.map((callee) => [callee, connect(callee)])),
    /** Gives every caller, also one that is starting, a channel to the service as it runs now. */
    rewireCallersOf: (callee: ServiceSection): void => {
      for (const caller of slots.values()) {
        if (!caller.unit || !topology[caller.name].calls.includes(callee)) continue;
        const link = connect(callee);
        caller.unit.send({ type: "peer", name: callee, link }, link.port ? [link.port] : []);
      }
    },
  };
}

const remoteUrl = (name: ServiceSection, config: Config): string => {
  const { url, bind } = config[name];
  return url === "" ? urlOf(bind, parseBind(bind).port) : url.replace(/\/$/, "");
};
