/** pathwayd: to be written. */
import type { Running } from "../../runtime/contract.ts";
import type { Deps } from "../../runtime/service.ts";
import type { Pathwayd } from "./contract.ts";

export async function createPathwayd(_: Deps): Promise<Running<Pathwayd>> {
  return { verbs: {} as never, raw: {} as never, stop: async () => {} };
}
