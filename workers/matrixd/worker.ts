/** The entry of matrixd's Worker. */
import { runService } from "../../runtime/worker/worker.ts";
import { catalogd } from "../catalogd/contract.ts";
import { embedd } from "../embedd/contract.ts";
import { pathwayd } from "../pathwayd/contract.ts";
import { queryd } from "../queryd/contract.ts";
import { vectord } from "../vectord/contract.ts";
import { matrixd } from "./contract.ts";
import { createMatrixd } from "./service.ts";

runService({
  contract: matrixd,
  keepsState: true,
  peers: { catalogd, queryd, vectord, embedd, pathwayd },
  create: createMatrixd,
});
