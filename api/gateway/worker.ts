import { runService } from "../../runtime/worker/worker.ts";
import { gateway } from "./contract.ts";
import { mounted } from "./mounted.ts";
import { createGateway } from "./service.ts";
import { mountServices } from "./services/services.ts";

runService({ contract: gateway, peers: mounted, create: createGateway, mount: mountServices });
