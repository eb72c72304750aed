/** ingestd in its Worker. */
import { runService } from "../../runtime/worker.ts";
import { ingestd } from "./contract.ts";
import { createIngestd } from "./service.ts";

runService({ contract: ingestd, create: createIngestd });
