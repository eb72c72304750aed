/** The gateway's own endpoints; the services' contracts are mounted under /v1. */

import { originOf } from "../../runtime/addresses/addresses.ts";
import { jsonResponse } from "../../runtime/bodies/bodies.ts";
import type { Contract, Peer, Running } from "../../runtime/contract/contract.ts";
import type { Deps } from "../../runtime/service/service.ts";
import { type Gateway, mcpPath } from "./contract.ts";
import { openErasures } from "./erasures/erasures.ts";
import { createMcpDoor } from "./mcp/mcp.ts";
import type { Mounted } from "./mounted.ts";
import { createCommands, newestLines } from "./operator/operator.ts";
import { diskOf, maintenanceOf, memoryTable, reasonsOf, servicesOf } from "./services/services.ts";

export async function createGateway(deps: Deps<Mounted>): Promise<Running<Gateway>> {
  const { config, system } = deps;
  const peers = deps.peers as unknown as Record<string, Peer<Contract>>;
  const erasures = await openErasures(deps);
  const mcp = createMcpDoor(deps, erasures.verbs);
  const commands = createCommands(deps);
  // Loaded where it is asked for alone: a start need not wait for it.
  const pgwire =
    config.pgwire.bind === "" ? undefined : await (await import("../pgwire/pgwire.ts")).openPgwire(deps);
  return {
    verbs: {
      settings: async () => {
        // They are read by the first who asks, not at each start.
        const { listSettings } = await import("../../runtime/config/config.ts");
        const { auth, log, provenance } = deps.live();
        return { settings: listSettings({ ...config, auth, log }, provenance) };
      },
      log: (asked) => newestLines(peers, asked),
      doctor: commands.doctor,
      backups: commands.backups,
      backup: ({ keep }) => commands.backup(keep),
      system: async () => {
        const [services, maintenance] = await Promise.all([servicesOf(deps), maintenanceOf(deps)]);
        const here = system().map(({ name }) => name);
        const memory = await memoryTable(config, here, peers);
        const disk = await diskOf(config.data_dir);
        const ready = services.every(({ state }) => state === "ready");
        const erasures_open = erasures.open();
        return {
          ...{ ready, services, memory, erasures_open },
          ...(disk && { disk }),
          ...(maintenance && { maintenance }),
        };
      },
      ...erasures.verbs,
    },
    raw: {
      mcp: (_, { request }) => mcp.answer(request),
      mcpMetadata: async (_, { request: { headers } }) =>
        jsonResponse({
          resource: originOf(headers) + mcpPath,
          resource_name: "Lakehouse",
          // Tokens are the operator's own, and no OAuth server issues them: there is none to name.
          bearer_methods_supported: ["header"],
        }),
    },
    notReady: erasures.problems,
    durable: erasures.durable,
    othersNotReady: async () => reasonsOf(await servicesOf(deps)),
    drain: () => {
      mcp.drain();
      return pgwire?.drain();
    },
    giveUp: () => {
      mcp.giveUp();
      pgwire?.giveUp();
    },
    stop: async () => {
      await Promise.all([mcp.stop(), pgwire?.stop(), erasures.stop(), commands.stop()]);
    },
  };
}
