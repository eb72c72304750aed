/** The services a corpus is made with, and what their failures are called. */
import type { Peer } from "../../../runtime/contract/contract.ts";
import { fail, ServiceError } from "../../../runtime/errors/errors.ts";
import type { Catalogd } from "../../catalogd/contract.ts";
import type { Embedd } from "../../embedd/contract.ts";
import type { Queryd } from "../../queryd/contract.ts";
import type { Vectord } from "../../vectord/contract.ts";

export interface Peers {
  catalogd: Peer<Catalogd>;
  queryd: Peer<Queryd>;
  vectord: Peer<Vectord>;
  embedd: Peer<Embedd>;
}

/** A peer's failure under the peer's name, so that whoever reads of it in a job knows whose it was. */
export async function named<R>(peer: keyof Peers, call: Promise<R>): Promise<R> {
  try {
    return await call;
  } catch (cause) {
    if (!(cause instanceof ServiceError)) throw cause;
    const { type, message, details, retryAfterSeconds } = cause;
    const text = message.includes(peer) ? message : `${peer}: ${message}`;
    throw fail(type, text, { details, cause, ...(retryAfterSeconds !== undefined && { retryAfterSeconds }) });
  }
}
