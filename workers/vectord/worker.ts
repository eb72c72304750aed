/** The entry of vectord's Worker. */
import { runService } from "../../runtime/worker/worker.ts";
import { embedd } from "../embedd/contract.ts";
import { storaged } from "../storaged/contract.ts";
import { vectord } from "./contract.ts";
import { createVectord } from "./service.ts";

runService({ contract: vectord, peers: { storaged, embedd }, create: createVectord });
