/** The gateway's own endpoint; the services' contracts are mounted under /v1. */
import type { Contract, Peer, Running } from "../../runtime/contract/contract.ts";
import type { Deps } from "../../runtime/service/service.ts";
import type { Gateway } from "./contract.ts";
import { type Mounted, maintenanceOf, memoryTable, reasonsOf, servicesOf } from "./services/services.ts";

export async function createGateway(deps: Deps<Mounted>): Promise<Running<Gateway>> {
  const { config, system } = deps;
  const peers = deps.peers as unknown as Record<string, Peer<Contract>>;
  return {
    verbs: {
      system: async () => {
        const [services, maintenance] = await Promise.all([servicesOf(deps), maintenanceOf(deps)]);
        const here = system().map(({ name }) => name);
        const memory = await memoryTable(config, here, peers);
        const ready = services.every(({ state }) => state === "ready");
        return { ready, services, memory, ...(maintenance && { maintenance }) };
      },
    },
    raw: {},
    othersNotReady: async () => reasonsOf(await servicesOf(deps)),
    stop: async () => {},
  };
}
