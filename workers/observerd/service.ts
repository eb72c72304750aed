/** observerd: to be written. */
import type { Running } from "../../runtime/contract.ts";
import type { Deps } from "../../runtime/service.ts";
import type { Chatd } from "../chatd/contract.ts";
import type { Matrixd } from "../matrixd/contract.ts";
import type { Pathwayd } from "../pathwayd/contract.ts";
import type { Storaged } from "../storaged/contract.ts";
import type { Observerd } from "./contract.ts";

export async function createObserverd(
  _: Deps<{ storaged: Storaged; pathwayd: Pathwayd; matrixd: Matrixd; chatd: Chatd }>,
): Promise<Running<Observerd>> {
  return { verbs: {} as never, raw: {} as never, stop: async () => {} };
}
