import { runService } from "../../runtime/worker.ts";
import { gateway } from "./contract.ts";
import { createGateway, mounted, mountServices } from "./service.ts";

runService({ contract: gateway, peers: mounted, create: createGateway, mount: mountServices });
