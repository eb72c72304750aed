/** Bodies that are no JSON: how they are told, and what comes in the query beside them. */
import { fail, ServiceError } from "../../../runtime/errors/errors.ts";
import { parseJson } from "../../../runtime/json/json.ts";

/** An Arrow IPC stream: known without its package, which is most of what a start would have to load. */
export const arrowTypes = /^application\/(vnd\.apache\.arrow\.stream|x-apache-arrow-stream)\s*(;|$)/i;

/** JSON in a parameter. Throws `invalid_field` naming it. */
export function jsonParameter(text: string, field: string): unknown {
  try {
    return parseJson(text);
  } catch (cause) {
    if (cause instanceof ServiceError)
      throw fail(cause.type, `${field}: ${cause.message}`, { details: cause.details });
    throw fail("invalid_field", `${field}: expected JSON in the query parameter`, {
      cause,
      details: { field },
    });
  }
}
