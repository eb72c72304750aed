import { runService } from "../../runtime/worker/worker.ts";
import { catalogd } from "../catalogd/contract.ts";
import { matrixd } from "../matrixd/contract.ts";
import { queryd } from "../queryd/contract.ts";
import { storaged } from "../storaged/contract.ts";
import { ingestd } from "./contract.ts";
import { createIngestd } from "./service.ts";

runService({ contract: ingestd, peers: { storaged, catalogd, queryd, matrixd }, create: createIngestd });
