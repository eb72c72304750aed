/** Maps an S3 server's refusals to errors. Messages name the bucket, the server and the remedy, never a key. */

import { errorCode } from "../../../runtime/durable/durable.ts";
import { type ErrorType, fail, ServiceError } from "../../../runtime/errors/errors.ts";
import { textOf } from "./xml.ts";

/** The bucket as messages name it. */
export interface S3Address {
  /** Its name in lakehouse.toml. */
  name: string;
  /** Its name at the server. */
  bucket: string;
  endpoint: string;
}

/** The parts of an answer that say why. */
interface Refused {
  status: number;
  /** The body, XML as a rule. */
  text: string;
  /** How often the request was sent. */
  sent: number;
}

const denied = new Set([
  "AccessDenied",
  "InvalidAccessKeyId",
  "SignatureDoesNotMatch",
  "RequestTimeTooSkewed",
  "ExpiredToken",
  "InvalidToken",
]);
const full = new Set(["QuotaExceeded", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded"]);

/** The error for an answer that is none of those the caller expected. */
export function refusal(address: S3Address, { status, text: body, sent }: Refused): ServiceError {
  const code = textOf(body, "Code") ?? "";
  const said = [status, code].join(" ").trim() + (sent > 1 ? `, ${sent} times` : "");
  const { type, text } = explain(address, { status, code, said });
  return fail(type, `bucket '${address.name}': ${text}`, {
    details: { bucket: address.name, status, ...(code !== "" && { code }) },
    cause: new Error(`${status} ${body.slice(0, 1000)}`),
  });
}

function explain(
  { name, bucket, endpoint }: S3Address,
  { status, code, said }: { status: number; code: string; said: string },
): { type: ErrorType; text: string } {
  if (code === "NoSuchBucket") {
    const text = `there is no bucket '${bucket}' at ${endpoint}; create it or correct [buckets.${name}] bucket`;
    return { type: "bad_gateway", text };
  }
  if (full.has(code) || status === 507)
    return { type: "storage_full", text: `${endpoint} has no room left (${said})` };
  if (code === "EntityTooLarge")
    return { type: "too_large", text: `${endpoint} takes no object of this size (${said})` };
  if (denied.has(code) || status === 401 || status === 403) {
    const text = `access denied by ${endpoint} (${said}); check [s3.${name}] in the secrets file, this machine's clock, and that the key may list, read, write and delete in '${bucket}'`;
    return { type: "bad_gateway", text };
  }
  if (status >= 300 && status < 400) {
    const text = `${endpoint} sends requests for '${bucket}' elsewhere (${said}); check endpoint and region of [buckets.${name}]`;
    return { type: "bad_gateway", text };
  }
  return { type: "bad_gateway", text: `${endpoint} answered ${said}` };
}

/** The error for a connection that failed. */
export function unreachable({ name, endpoint }: S3Address, cause: unknown): ServiceError {
  if (cause instanceof ServiceError) return cause;
  const code = errorCode(cause);
  const text = `bucket '${name}': no answer from ${endpoint}${code ? ` (${code})` : ""}; is the server up and the endpoint right?`;
  return fail("bad_gateway", text, { details: { bucket: name }, cause });
}

/** The error for a server that says nothing. */
export const silent = ({ name, endpoint }: S3Address, ms: number): ServiceError =>
  fail("deadline_exceeded", `bucket '${name}': ${endpoint} was silent for ${ms} ms (s3_timeout_ms)`, {
    details: { bucket: name },
  });
