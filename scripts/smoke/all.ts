/** Every smoke by its name, in the order in which they run. */
import { auth } from "./auth.ts";
import { chat } from "./chat.ts";
import { d1 } from "./d1.ts";
import { d2 } from "./d2.ts";
import { d3 } from "./d3.ts";
import { d4 } from "./d4.ts";
import { d5 } from "./d5.ts";
import { d6 } from "./d6.ts";
import { downgrade } from "./downgrade.ts";
import { g1 } from "./g1.ts";
import { g1p } from "./g1p.ts";
import { g2 } from "./g2.ts";
import { matrix } from "./matrix.ts";
import { mcp } from "./mcp.ts";
import { observer } from "./observer.ts";
import { pathway } from "./pathway.ts";
import { playbook } from "./playbook.ts";
import { relevance } from "./relevance.ts";
import type { Smoke } from "./smoke.ts";
import { storagedCap } from "./storaged-cap.ts";

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
