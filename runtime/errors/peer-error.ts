/** What another service says when it refuses a request. */
import { errorStatus, fail, fromWire, type ServiceError, type WireError } from "./service-error.ts";

/** The error in a peer's answer that is no success, as its verbs would throw it; `bad_gateway` where it holds none. */
export async function peerError(peer: string, response: Response): Promise<ServiceError> {
  const { error } = (await response.json().catch(() => ({}))) as { error?: WireError };
  return error !== undefined && Object.hasOwn(errorStatus, error.type)
    ? fromWire(error)
    : fail("bad_gateway", `${peer} answered ${response.status}`);
}
