/** chatd: to be written. */
import type { Running } from "../../runtime/contract.ts";
import type { Deps } from "../../runtime/service.ts";
import type { Chatd } from "./contract.ts";

export async function createChatd(_: Deps): Promise<Running<Chatd>> {
  return { verbs: {} as never, raw: {} as never, stop: async () => {} };
}
