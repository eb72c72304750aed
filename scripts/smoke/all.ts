/** Every smoke by its name, in the order in which they run. */

import {
  chat,
  downgrade,
  g1,
  g1p,
  g2,
  matrix,
  mcp,
  observer,
  pathway,
  playbook,
  relevance,
} from "../smoke-memory/smoke-memory.ts";
import type { Smoke } from "../smoke-product/smoke-product.ts";
import { auth, d1, d2, d3, d4, d5, d6, storagedCap } from "../smoke-tables/smoke-tables.ts";

export const smokes: Readonly<Record<string, Smoke>> = {
  d1,
  d2,
  d3,
  d4,
  d5,
  d6,
  g1,
  g1p,
  g2,
  storaged_cap: storagedCap,
  observer,
  matrix,
  relevance,
  downgrade,
  playbook,
  pathway,
  chat,
  mcp,
  auth,
};
