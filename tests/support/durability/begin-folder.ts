/** A start of one service as far as the store goes: `DATA_DIR SERVICE`. Prints the store's identity. */

import { beginFolders } from "../../../runtime/service/folder.ts";
import { createAdoption } from "../../../runtime/store/adoption.ts";
import { openStore } from "../../../runtime/store/open.ts";
import { createLog } from "../../../runtime/telemetry/log.ts";

const [dataDir = "", service = ""] = process.argv.slice(2);
const log = createLog("test", "info");
const now = () => new Date().toISOString();
await beginFolders({ dataDir, services: [service], adoption: createAdoption([], log), log, now });
process.stdout.write((await openStore({ dataDir, now, log })).id);
