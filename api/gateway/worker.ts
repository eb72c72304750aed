import { runService } from "../../runtime/service/service.ts";
import { gateway } from "./contract.ts";
import { mounted, mountServices } from "./mount.ts";
import { createGateway } from "./service.ts";

runService({ contract: gateway, peers: mounted, create: createGateway, mount: mountServices });
