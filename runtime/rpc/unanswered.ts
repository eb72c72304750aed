/** The error of a call without an answer: nothing was done, where that is certain, or the outcome is unknown. */
import { type Contract, isMatch, isSafe, methodsOf, placesOf } from "../contract/contract.ts";
import { fail, type ServiceError } from "../errors/errors.ts";
import { isNobodyThere } from "../upstream/upstream.ts";

/** Nothing was sent. */
const unreachable = (peer: string, cause?: unknown): ServiceError =>
  fail("unavailable", `${peer} cannot be reached`, { cause, retryAfterSeconds: 1 });

/** It was sent, and then `why` happened. What is safe to ask again is a 503 all the same. */
export const unanswered = (why: string, safe: boolean, cause?: unknown): ServiceError =>
  safe
    ? fail("unavailable", why, { cause, retryAfterSeconds: 1 })
    : fail(
        "outcome_unknown",
        `${why} before the answer came: whether this was carried out is not known. Sent again with the same Idempotency-Key it is not carried out twice; without a key, look with GET what is there first`,
        { cause },
      );

/** The error of a `fetch` that failed: a connection that was refused carried nothing. */
export const fetchFailure = (peer: string, safe: boolean, cause: unknown): ServiceError =>
  isNobodyThere(cause) ? unreachable(peer, cause) : unanswered(`${peer} ended the connection`, safe, cause);

/** Whether a request may be sent again without doing anything twice, as the contract says. */
export const isSafeRequest =
  ({ endpoints }: Contract) =>
  (method: string, path: string): boolean => {
    if (method === "GET" || method === "HEAD") return true;
    const parts = (path.split("?", 1)[0] ?? "").split("/");
    return Object.values(endpoints).some(
      (endpoint) =>
        endpoint.kind !== "internal" &&
        isSafe(endpoint) &&
        methodsOf(endpoint).some((each) => each === method) &&
        placesOf(endpoint).some((place) => isMatch(place.path, parts)),
    );
  };
