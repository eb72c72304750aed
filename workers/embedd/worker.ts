/** The entry of embedd's Worker. */
import { runService } from "../../runtime/worker/worker.ts";
import { embedd } from "./contract.ts";
import { createEmbedd } from "./service.ts";

runService({ contract: embedd, create: createEmbedd });
