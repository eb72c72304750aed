/** The entry of pathwayd's Worker. */
import { runService } from "../../runtime/worker/worker.ts";
import { embedd } from "../embedd/contract.ts";
import { pathwayd } from "./contract.ts";
import { createPathwayd } from "./service.ts";

runService({ contract: pathwayd, keepsState: true, peers: { embedd }, create: createPathwayd });
