/** Messages of clients. Each reader throws `protocol_violation` (08P01) for a body that ends early or has bytes left. */
import { protocolViolation } from "./failures.ts";

/** Codes in place of a version in a first message. */
export const startupCodes = { cancel: 80_877_102, ssl: 80_877_103, gssapi: 80_877_104 };

export interface Startup {
  code: number;
  /** Of a start: its settings by name, such as user and database. */
  settings: ReadonlyMap<string, string>;
  /** Of a cancellation: the process and its key. */
  process: number;
  key: number;
}

export interface Parse {
  name: string;
  sql: string;
  /** Types of parameters by number, 0 where the client does not say. */
  oids: number[];
}

export interface Bind {
  portal: string;
  statement: string;
  parameterFormats: number[];
  values: (Buffer | null)[];
  resultFormats: number[];
}

export interface Execute {
  portal: string;
  /** 0 for all. */
  rowsMax: number;
}

const decoder = new TextDecoder("utf-8", { fatal: true });

/** The text of these bytes. Throws for what is no UTF-8. */
export function textOf(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw protocolViolation("a text is not UTF-8", "22021");
  }
}

function createReader(body: Buffer) {
  let at = 0;
  const bytes = (count: number): Buffer => {
    if (count < 0 || at + count > body.length) throw protocolViolation("a message ends before its contents");
    at += count;
    return body.subarray(at - count, at);
  };
  const int16 = () => bytes(2).readUInt16BE();
  return {
    bytes,
    int16,
    int32: () => bytes(4).readInt32BE(),
    text: () => {
      const end = body.indexOf(0, at);
      if (end < 0) throw protocolViolation("a text in a message has no end");
      const text = textOf(body.subarray(at, end));
      at = end + 1;
      return text;
    },
    many: <T>(one: () => T): T[] => Array.from({ length: int16() }, one),
    left: () => body.length - at,
    end: () => {
      if (at < body.length) throw protocolViolation("a message has more than its contents");
    },
  };
}

export function readStartup(body: Buffer): Startup {
  const reader = createReader(body);
  const code = reader.int32();
  const startup: Startup = { code, settings: new Map(), process: 0, key: 0 };
  if (code === startupCodes.cancel) return { ...startup, process: reader.int32(), key: reader.int32() };
  if (code >> 16 !== 3) return startup;
  const settings = new Map<string, string>();
  for (let name = reader.text(); name !== ""; name = reader.text()) settings.set(name, reader.text());
  return { ...startup, settings };
}

export function readParse(body: Buffer): Parse {
  const reader = createReader(body);
  const parse = { name: reader.text(), sql: reader.text(), oids: reader.many(() => reader.int32() >>> 0) };
  reader.end();
  return parse;
}

export function readBind(body: Buffer): Bind {
  const reader = createReader(body);
  const portal = reader.text();
  const statement = reader.text();
  const parameterFormats = reader.many(reader.int16);
  const values = reader.many(() => {
    const length = reader.int32();
    return length === -1 ? null : reader.bytes(length);
  });
  const resultFormats = reader.many(reader.int16);
  reader.end();
  return { portal, statement, parameterFormats, values, resultFormats };
}

/** Of Describe and Close: a statement (S) or a portal (P), and its name. */
export function readNamed(body: Buffer): { isPortal: boolean; name: string } {
  const reader = createReader(body);
  const kind = String.fromCharCode(reader.bytes(1)[0] as number);
  if (kind !== "S" && kind !== "P") throw protocolViolation(`expected S or P, got ${JSON.stringify(kind)}`);
  const name = reader.text();
  reader.end();
  return { isPortal: kind === "P", name };
}

export function readExecute(body: Buffer): Execute {
  const reader = createReader(body);
  const execute = { portal: reader.text(), rowsMax: Math.max(0, reader.int32()) };
  reader.end();
  return execute;
}
