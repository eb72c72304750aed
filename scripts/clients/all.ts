/** The clients that are run, a file each. */
import type { Smoke } from "../smoke-product/smoke-product.ts";
import { mcpInspector } from "./mcp-inspector.ts";
import { fastmcp, googleGenai, mcpPython } from "./mcp-python.ts";

export const clients: Record<string, Smoke> = {
  "mcp-inspector": mcpInspector,
  "mcp-python": mcpPython,
  fastmcp,
  "google-genai": googleGenai,
};
