/** MCP at the gateway: the same tools as on stdio, over the services' contracts. */
import type { Contract, HttpRequest, Peer, VerbsOf } from "../../../runtime/contract/contract.ts";
import { fail } from "../../../runtime/errors/errors.ts";
import type { Deps } from "../../../runtime/service/service.ts";
import { describe } from "../../../runtime/telemetry/telemetry.ts";
import type { McpOverHttp } from "../../mcp/http/http.ts";
import { gateway as contract, type Gateway } from "../contract.ts";
import { type Mounted, mounted } from "../mounted.ts";

/** Of the memory for MCP: for what was sent and may be asked for again; the rest is for results. */
const replayPart = 1 / 4;

interface McpDoor {
  answer: (request: HttpRequest) => Promise<Response>;
  drain: () => void;
  giveUp: () => void;
  stop: () => Promise<void>;
}

/** The gateway's own verbs that a tool asks for. */
type OwnVerbs = Pick<VerbsOf<Gateway>, "erase">;

export function createMcpDoor(deps: Deps<Mounted>, own: OwnVerbs): McpDoor {
  let made: Promise<McpOverHttp> | undefined;
  let sessions = () => 0;
  let isDraining = false;
  deps.metrics.gauge("mcp_sessions", "Sessions of MCP over HTTP.", () => sessions());
  const door = (): Promise<McpOverHttp> => {
    if (isDraining && !made) throw fail("unavailable", "the service stops");
    // Loaded by the first who asks: the SDK and the tools would be a part of each start.
    made ??= createOver(deps, own).then((over) => {
      sessions = over.sessions;
      if (isDraining) over.drain();
      return over;
    });
    return made;
  };
  const whenMade = (work: (over: McpOverHttp) => unknown) =>
    made?.then(work).catch((cause) => deps.log.error("MCP did not end well", describe(cause)));
  return {
    answer: async (request) => (await door()).answer(request),
    drain: () => {
      isDraining = true;
      void whenMade((over) => over.drain());
    },
    giveUp: () => void whenMade((over) => over.stop()),
    stop: async () => {
      await whenMade((over) => over.stop());
    },
  };
}

async function createOver(
  { config, clock, log, newId, peers }: Deps<Mounted>,
  own: OwnVerbs,
): Promise<McpOverHttp> {
  const [{ createMcpOverHttp }, gateway, tools] = await Promise.all([
    import("../../mcp/http/http.ts"),
    import("../../mcp/gateway/gateway.ts"),
    import("../../mcp/tools/tools.ts"),
  ]);
  const {
    max_json_bytes,
    proxy_timeout_ms,
    mcp_sessions_max,
    mcp_idle_timeout_ms,
    mcp_cache_bytes,
    mcp_writes,
  } = config.gateway;
  const client = gateway.createPeerClient({
    contracts: {
      ...mounted,
      gateway: { name: contract.name, endpoints: { erase: contract.endpoints.erase } },
    },
    peers: { ...peers, gateway: { verbs: own } } as unknown as Record<string, Peer<Contract>>,
    longMs: proxy_timeout_ms,
    newId,
  });
  const replayBytesMax = Math.floor(mcp_cache_bytes * replayPart);
  const resultBytesMax = mcp_cache_bytes - replayBytesMax;
  return createMcpOverHttp({
    parts: {
      tools: tools.createTools(client, clock, { resultBytesMax, writes: mcp_writes }),
      resources: tools.createResources(client),
      observation: gateway.createObservation({ gateway: client, log }),
      watch: gateway.createCatalogWatch({ gateway: client, clock, log }),
      ...{ clock, log },
      // Tools do not see the token here: it ends at the gate.
      redact: (text) => text,
    },
    ...{ messageBytesMax: max_json_bytes, sessionsMax: mcp_sessions_max },
    ...{ idleMs: mcp_idle_timeout_ms, replayBytesMax },
  });
}
