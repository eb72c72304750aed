/** A start of one service as far as the store goes: `DATA_DIR SERVICE`. Prints the store's identity. */
import { createAdoption } from "../../runtime/adoption.ts";
import { createLog } from "../../runtime/log.ts";
import { beginFolders } from "../../runtime/service-folder.ts";
import { openStore } from "../../runtime/store/store.ts";

const [dataDir = "", service = ""] = process.argv.slice(2);
const log = createLog("test", "info");
const now = () => new Date().toISOString();
await beginFolders({ dataDir, services: [service], adoption: createAdoption([], log), log, now });
process.stdout.write((await openStore({ dataDir, now, log })).id);
