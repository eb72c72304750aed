/** The entry of queryd's Worker. */
import { runService } from "../../runtime/worker/worker.ts";
import { catalogd } from "../catalogd/contract.ts";
import { storaged } from "../storaged/contract.ts";
import { queryd } from "./contract.ts";
import { createQueryd } from "./service.ts";

runService({ contract: queryd, peers: { catalogd, storaged }, create: createQueryd });
