/** What the parts of observerd that judge, export and distill stand on. */
import type { Deps } from "../../runtime/service.ts";
import type { Chatd } from "../chatd/contract.ts";
import type { Matrixd } from "../matrixd/contract.ts";
import type { Pathwayd } from "../pathwayd/contract.ts";
import type { Storaged } from "../storaged/contract.ts";
import type { Operations } from "./operations.ts";
import type { Reviews } from "./review-log.ts";

export type ObserverdDeps = Deps<{
  storaged: Storaged;
  pathwayd: Pathwayd;
  matrixd: Matrixd;
  chatd: Chatd;
}>;

export interface Parts {
  deps: ObserverdDeps;
  operations: Operations;
  /** `await openReviews(deps)`; closed by whoever opened it. */
  reviews: Reviews;
}
