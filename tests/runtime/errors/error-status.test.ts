/** The status of each error type: the rows of endpoint tests name the type alone. */
import { expect, test } from "bun:test";
import { errorStatus } from "../../../runtime/errors/errors.ts";

test("types keep their status", () => {
  const byStatus = Object.groupBy(Object.entries(errorStatus), ([, status]) => status);
  expect(
    Object.entries(byStatus).map(([status, types]) => `${status} ${types?.map(([type]) => type)}`),
  ).toEqual([
    "400 bad_request,invalid_json,invalid_field,unknown_field,invalid_name,invalid_key,sql_error",
    "401 unauthorized",
    "403 forbidden,statement_not_allowed",
    "404 not_found",
    "405 method_not_allowed",
    "406 not_acceptable",
    "408 timeout",
    "409 conflict,schema_drift,idempotency_conflict",
    "412 precondition_failed",
    "413 too_large",
    "415 unsupported_media_type",
    "416 range_not_satisfiable",
    "422 unprocessable,unsupported_table,rejected_rows,resource_exhausted,engine_crashed",
    "429 too_many_requests",
    "431 headers_too_large",
    "499 client_closed",
    "500 internal,corrupt",
    "502 bad_gateway,outcome_unknown",
    "503 unavailable,overloaded",
    "504 deadline_exceeded",
    "507 storage_full,memory_full",
  ]);
});
