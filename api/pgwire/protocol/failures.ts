/** Errors as PostgreSQL's clients know them: a SQLSTATE, a message, and the place in the statement. */
import { type ErrorType, ServiceError } from "../../../runtime/errors/errors.ts";

/** An error that has its SQLSTATE already. */
export class SqlFailure extends Error {
  override name = "SqlFailure";
  readonly code: string;
  /** The connection ends with it. */
  readonly isFatal: boolean;
  constructor(code: string, message: string, isFatal = false) {
    super(message);
    this.code = code;
    this.isFatal = isFatal;
  }
}

export const sqlFailure = (code: string, message: string): SqlFailure => new SqlFailure(code, message);
export const protocolViolation = (message: string, code = "08P01"): SqlFailure =>
  new SqlFailure(code, message);

/** The SQLSTATE of each error of a service (PostgreSQL's appendix A); 58000 is a system's error. */
const codes: Partial<Record<ErrorType, string>> = {
  sql_error: "42601",
  bad_request: "08P01",
  invalid_field: "22023",
  unknown_field: "22023",
  invalid_json: "22023",
  unauthorized: "28P01",
  forbidden: "28000",
  statement_not_allowed: "42501",
  not_found: "42704",
  not_acceptable: "0A000",
  unsupported_table: "0A000",
  too_large: "54000",
  timeout: "57014",
  deadline_exceeded: "57014",
  client_closed: "57014",
  resource_exhausted: "53200",
  memory_full: "53200",
  storage_full: "53100",
  too_many_requests: "53300",
  overloaded: "53300",
  unavailable: "57P03",
  engine_crashed: "58000",
  corrupt: "XX001",
};

/** The SQLSTATE for each kind of DuckDB's errors, which a `sql_error` begins with: `Binder Error: …`. */
const kinds: Readonly<Record<string, string>> = {
  Parser: "42601",
  Syntax: "42601",
  Binder: "42703",
  Catalog: "42883",
  Conversion: "22P02",
  "Out of Range": "22003",
  "Divide by Zero": "22012",
  "Invalid Input": "22023",
  "Mismatch Type": "42804",
  "Invalid type": "42804",
  Decimal: "22003",
  "Not implemented": "0A000",
  "Parameter Not Resolved": "42P18",
};

/** A name that is no dataset has its place and no kind. */
const undefinedTable = "42P01";

function codeOf({ type, message }: ServiceError): string {
  if (type !== "sql_error") return codes[type] ?? "XX000";
  const [, kind] = /^([\w ]+) Error: /.exec(message) ?? [];
  if (kind !== undefined) return kinds[kind] ?? "42601";
  return message.startsWith("there is no dataset") ? undefinedTable : "42601";
}

/** The fields of an ErrorResponse. `position` gives the character in the client's text, from 1, for one in ours from 0. */
export function failureFields(
  cause: unknown,
  position: (at: number) => number = (at) => at + 1,
): (readonly [string, string])[] {
  const severity = cause instanceof SqlFailure && cause.isFatal ? "FATAL" : "ERROR";
  const known = cause instanceof SqlFailure || cause instanceof ServiceError ? cause : undefined;
  const code = known === undefined ? "XX000" : known instanceof SqlFailure ? known.code : codeOf(known);
  const { position: at } = (known instanceof ServiceError && (known.details as { position?: number })) || {};
  const [first = "", ...more] = (known?.message ?? "internal error").split("\nHint: ");
  return [
    ["S", severity],
    ["V", severity],
    ["C", code],
    ["M", first],
    ...(more.length > 0 ? ([["H", more.join("\n")]] as const) : []),
    ...(typeof at === "number" ? ([["P", String(position(at))]] as const) : []),
  ];
}
