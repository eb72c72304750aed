/** Messages of a server that hold no rows of a query. */
import { message } from "../../../runtime/postgres/postgres.ts";

const int32 = (...values: number[]): Uint8Array => {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, at) => void bytes.writeInt32BE(value | 0, 4 * at));
  return bytes;
};

export const authenticationOk = message("R", int32(0));
export const authenticationCleartext = message("R", int32(3));
export const authenticationSasl = (...mechanisms: string[]): Uint8Array =>
  message("R", int32(10), ...mechanisms, Uint8Array.of(0));
export const saslContinue = (data: string): Uint8Array => message("R", int32(11), Buffer.from(data));
export const saslFinal = (data: string): Uint8Array => message("R", int32(12), Buffer.from(data));

export const parameterStatus = (name: string, value: string): Uint8Array => message("S", name, value);
export const backendKeyData = (process: number, key: number): Uint8Array => message("K", int32(process, key));
/** The client speaks a later minor version than 3.0: what it asked for besides is not there. */
export const negotiateVersion = (options: readonly string[]): Uint8Array =>
  message("v", int32(0x30000, options.length), ...options);

/** How the connection stands: outside of a transaction, in one, or in one that failed. */
export type TransactionStatus = "I" | "T" | "E";
export const readyForQuery = (status: TransactionStatus): Uint8Array => message("Z", Buffer.from(status));

export const emptyQuery = message("I");
export const parseComplete = message("1");
export const bindComplete = message("2");
export const closeComplete = message("3");
export const noData = message("n");
export const portalSuspended = message("s");

export const parameterDescription = (oids: readonly number[]): Uint8Array => {
  const count = Buffer.alloc(2);
  count.writeUInt16BE(oids.length);
  return message("t", count, int32(...oids));
};

/** A row of texts. */
export const dataRow = (values: readonly string[]): Uint8Array => {
  const count = Buffer.alloc(2);
  count.writeUInt16BE(values.length);
  const parts = values.flatMap((value) => {
    const bytes = Buffer.from(value);
    return [int32(bytes.length), bytes];
  });
  return message("D", count, ...parts);
};

const fieldsOf = (fields: readonly (readonly [letter: string, value: string])[]): Uint8Array =>
  Buffer.concat([...fields.map(([letter, value]) => Buffer.from(`${letter}${value}\0`)), Uint8Array.of(0)]);

export const errorResponse = (fields: readonly (readonly [string, string])[]): Uint8Array =>
  message("E", fieldsOf(fields));
export const notice = (text: string, code = "01000"): Uint8Array =>
  message(
    "N",
    fieldsOf([
      ["S", "WARNING"],
      ["V", "WARNING"],
      ["C", code],
      ["M", text],
    ]),
  );
