/** Every smoke by its name, in the order in which they run. */

import { chat } from "./memory/chat.ts";
import { downgrade } from "./memory/downgrade.ts";
import { g1 } from "./memory/g1.ts";
import { g1p } from "./memory/g1p.ts";
import { g2 } from "./memory/g2.ts";
import { matrix } from "./memory/matrix.ts";
import { mcp } from "./memory/mcp.ts";
import { observer } from "./memory/observer.ts";
import { pathway } from "./memory/pathway.ts";
import { playbook } from "./memory/playbook.ts";
import { relevance } from "./memory/relevance.ts";
import type { Smoke } from "./stage.ts";
import { auth } from "./tables/auth.ts";
import { d1 } from "./tables/d1.ts";
import { d2 } from "./tables/d2.ts";
import { d3 } from "./tables/d3.ts";
import { d4 } from "./tables/d4.ts";
import { d5 } from "./tables/d5.ts";
import { d6 } from "./tables/d6.ts";
import { storagedCap } from "./tables/storaged-cap.ts";

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
