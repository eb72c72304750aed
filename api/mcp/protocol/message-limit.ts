/**
 * Filters incoming messages before the SDK, whose transport would end the session at a line that is too long, and round
 * numbers that a double cannot hold.
 */

import { Transform } from "node:stream";
import { ServiceError } from "../../../runtime/errors/errors.ts";
import { parseJson } from "../../../runtime/json/json.ts";

/** Below the SDK's own 10 MB, with room for what is still buffered. */
const messageBytesMax = 8 * 1024 * 1024;

/** Enough to find the id of a dropped message, at its start or end. */
const keptBytes = 512;
const newline = 0x0a;

export interface DroppedMessage {
  bytes: number;
  /** For the client. */
  why: string;
  /** The request's id, where it stands as the first or last member, as clients write it. */
  id?: string | number;
}

/** Forwards complete lines; a line over the limit or with such a number is reported to `dropped` instead. */
export function limitMessages(
  dropped: (message: DroppedMessage) => void,
  bytesMax = messageBytesMax,
): Transform {
  let pieces: Buffer[] = [];
  let bytes = 0;
  let begin = "";
  let end: Buffer = Buffer.alloc(0);

  const take = (piece: Buffer): void => {
    bytes += piece.length;
    if (begin.length < keptBytes) begin += piece.toString("latin1", 0, keptBytes - begin.length);
    end = Buffer.concat([end, piece.subarray(-keptBytes)]).subarray(-keptBytes);
    if (bytes <= bytesMax) pieces.push(piece);
    else pieces = [];
  };
  const finish = (through: Transform): void => {
    const line = Buffer.concat(pieces);
    const why =
      bytes > bytesMax
        ? `the message has ${bytes} bytes; at most ${bytesMax} are taken`
        : changedNumber(line.toString());
    if (why === undefined) through.push(line);
    else dropped({ bytes, why, ...idOf(begin, end.toString("latin1")) });
    pieces = [];
    bytes = 0;
    begin = "";
    end = Buffer.alloc(0);
  };

  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      let rest = chunk;
      for (let at = rest.indexOf(newline); at >= 0; at = rest.indexOf(newline)) {
        take(rest.subarray(0, at + 1));
        finish(this);
        rest = rest.subarray(at + 1);
      }
      if (rest.length > 0) take(rest);
      done();
    },
  });
}

/** What is wrong with a number in it. What is no JSON is the SDK's to refuse. */
function changedNumber(line: string): string | undefined {
  try {
    parseJson(line);
    return undefined;
  } catch (cause) {
    return cause instanceof ServiceError ? cause.message : undefined;
  }
}

const value = String.raw`(-?\d{1,15}|"[ !#-[\]-~]{1,200}")`;
const first = new RegExp(String.raw`^\s*\{(?:\s*"jsonrpc"\s*:\s*"2\.0"\s*,)?\s*"id"\s*:\s*${value}\s*,`);
const last = new RegExp(String.raw`,\s*"id"\s*:\s*${value}\s*\}\s*$`);

function idOf(begin: string, end: string): { id?: string | number } {
  const found = first.exec(begin)?.[1] ?? last.exec(end)?.[1];
  return found === undefined ? {} : { id: JSON.parse(found) };
}
