/** The entry of observerd's Worker. */
import { runService } from "../../runtime/worker/worker.ts";
import { chatd } from "../chatd/contract.ts";
import { matrixd } from "../matrixd/contract.ts";
import { pathwayd } from "../pathwayd/contract.ts";
import { queryd } from "../queryd/contract.ts";
import { storaged } from "../storaged/contract.ts";
import { observerd } from "./contract.ts";
import { createObserverd } from "./service.ts";

runService({
  contract: observerd,
  keepsState: true,
  peers: { storaged, pathwayd, matrixd, chatd, queryd },
  create: createObserverd,
});
