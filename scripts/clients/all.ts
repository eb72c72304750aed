/** The clients that are run, a file each. */
import type { Smoke } from "../smoke-product/smoke-product.ts";
import { mcpNode } from "./installed.ts";
import { mcpInspector } from "./mcp-inspector.ts";
import { fastmcp, googleGenai, mcpPython } from "./mcp-python.ts";
import { postgresClients } from "./postgres-clients.ts";
import { pythonClient } from "./python-client.ts";

export const clients: Record<string, Smoke> = {
  ...postgresClients,
  python: pythonClient,
  "mcp-inspector": mcpInspector,
  "mcp-node": mcpNode,
  "mcp-python": mcpPython,
  fastmcp,
  "google-genai": googleGenai,
};
