/** Every page by its address. */
import type { Page } from "../parts/parts.ts";
import { chat } from "./chat.tsx";
import { dataset } from "./dataset.tsx";
import { datasets } from "./datasets.tsx";
import { home } from "./home.tsx";
import { memory } from "./memory.tsx";
import { operations } from "./operations.tsx";
import { search } from "./search.tsx";
import { sql } from "./sql.tsx";
import { system } from "./system.tsx";
import { trace } from "./trace.tsx";
import { upload } from "./upload.tsx";

export const pages: Readonly<Record<string, Page>> = {
  "/": home,
  "/datasets": datasets,
  "/datasets/:name": dataset,
  "/upload": upload,
  "/sql": sql,
  "/search": search,
  "/chat": chat,
  "/memory": memory,
  "/memory/:name": trace,
  "/operations": operations,
  "/system": system,
};
