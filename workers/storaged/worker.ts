/** The entry of storaged's Worker. */
import { runService } from "../../runtime/worker/worker.ts";
import { storaged } from "./contract.ts";
import { createStoraged } from "./service.ts";

runService({ contract: storaged, create: createStoraged });
