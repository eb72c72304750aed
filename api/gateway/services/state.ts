/** The state of each service: of this process as the supervisor has it, of the others by a probe. */
import type { Contract, Peer } from "../../../runtime/contract/contract.ts";
import type { Deps, ServiceStatus } from "../../../runtime/service/service.ts";
import type { Mounted } from "../mounted.ts";

/** The result of a service's own readiness probe. */
interface Probed {
  name: string;
  state: string;
  address: string;
  latency_ms?: number;
  last_error?: string;
}

/** How long a probe may take. */
const probeTimeoutMs = 2000;

/** All services as they are, asked at once. */
export function servicesOf({ system, peers, clock }: Deps<Mounted>) {
  const supervised = ({ name, state, address, started_at, restarts, last_error }: ServiceStatus) => ({
    name,
    state: state as string,
    address,
    restarts,
    ...(started_at !== undefined &&
      state === "ready" && { uptime_seconds: Math.max(0, clock.now() - Date.parse(started_at)) / 1000 }),
    ...(last_error !== undefined && { last_error }),
  });
  /** A running service of this process is probed too: its readiness names damage that its thread's state does not. */
  const ownState = async (status: ServiceStatus) => {
    const peer = (peers as unknown as Record<string, Peer<Contract>>)[status.name];
    if (status.state !== "ready" || !peer) return supervised(status);
    const { state, latency_ms, last_error } = await probe(status.name, peer);
    return {
      ...supervised(status),
      ...(latency_ms !== undefined && { latency_ms }),
      ...(state !== "ready" && { state, ...(last_error && { last_error }) }),
    };
  };
  const own = system();
  const known = new Set(own.map(({ name }) => name));
  const others = Object.entries(peers).filter(([name]) => !known.has(name));
  return Promise.all([
    ...own.map(ownState),
    ...others.map(([name, peer]) => probe(name, peer as unknown as Peer<Contract>)),
  ]);
}

async function probe(name: string, peer: Peer<Contract>): Promise<Probed> {
  const began = performance.now();
  try {
    const response = await peer.fetch("/readyz", { signal: AbortSignal.timeout(probeTimeoutMs) });
    const { reasons = [] } = (await response.json()) as { reasons?: string[] };
    const address = response.url === "" ? "" : new URL(response.url).origin;
    const latency_ms = performance.now() - began;
    if (response.ok) return { name, state: "ready", address, latency_ms };
    return { name, state: "not_ready", address, latency_ms, last_error: reasons.join("; ") };
  } catch {
    return { name, state: "unreachable", address: "" };
  }
}

/** Those that are not ready, and why. */
export const reasonsOf = (services: readonly Pick<Probed, "name" | "state" | "last_error">[]): string[] =>
  services
    .filter(({ state }) => state !== "ready")
    .map(
      ({ name, state, last_error }) =>
        `${name}: ${state}${last_error === undefined ? "" : ` (${last_error})`}`,
    );

/** What maintenance did; undefined while ingestd does not answer. */
export const maintenanceOf = ({ peers }: Pick<Deps<Mounted>, "peers">) =>
  peers.ingestd.verbs.maintenance({}, { timeoutMs: probeTimeoutMs }).catch(() => undefined);
