/** matrixd: to be written. */
import type { Running } from "../../runtime/contract.ts";
import type { Deps } from "../../runtime/service.ts";
import type { Catalogd } from "../catalogd/contract.ts";
import type { Embedd } from "../embedd/contract.ts";
import type { Pathwayd } from "../pathwayd/contract.ts";
import type { Queryd } from "../queryd/contract.ts";
import type { Vectord } from "../vectord/contract.ts";
import type { Matrixd } from "./contract.ts";

export async function createMatrixd(
  _: Deps<{ catalogd: Catalogd; queryd: Queryd; vectord: Vectord; embedd: Embedd; pathwayd: Pathwayd }>,
): Promise<Running<Matrixd>> {
  return { verbs: {} as never, raw: {} as never, stop: async () => {} };
}
