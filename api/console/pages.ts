/** Every page by its address. */

import { chat } from "./chat/chat.tsx";
import { copilot } from "./copilot/copilot.tsx";
import { dataset, datasets } from "./datasets/datasets.tsx";
import { erasures } from "./erasures/erasures.tsx";
import { home } from "./home/home.tsx";
import { memory, trace } from "./memory/memory.tsx";
import { operations, run } from "./operations/operations.tsx";
import type { Page } from "./parts/parts.ts";
import { search } from "./search/search.tsx";
import { sql } from "./sql/sql.tsx";
import { system } from "./system/system.tsx";
import { upload } from "./upload/upload.tsx";

export const pages: Readonly<Record<string, Page>> = {
  "/": home,
  "/datasets": datasets,
  "/datasets/:name": dataset,
  "/upload": upload,
  "/sql": sql,
  "/search": search,
  "/chat": chat,
  "/copilot": copilot,
  "/memory": memory,
  "/memory/:name": trace,
  "/operations": operations,
  "/operations/:name": run,
  "/erasures": erasures,
  "/system": system,
};
