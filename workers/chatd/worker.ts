/** The entry of chatd's Worker. */
import { runService } from "../../runtime/worker/worker.ts";
import { chatd } from "./contract.ts";
import { createChatd } from "./service.ts";

runService({ contract: chatd, keepsState: true, create: createChatd });
