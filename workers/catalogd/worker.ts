/** The entry of catalogd's Worker. */
import { runService } from "../../runtime/worker/worker.ts";
import { storaged } from "../storaged/contract.ts";
import { catalogd } from "./contract.ts";
import { createCatalogd } from "./service.ts";

runService({ contract: catalogd, peers: { storaged }, create: createCatalogd });
