/** What a client is told when something fails, and what becomes of its transaction. */
import { RawFailure } from "../answers/answers.ts";
import { Gone } from "../connection/connection.ts";
import { backend, FrameError, failureFields, SqlFailure } from "../protocol/protocol.ts";
import type { Session } from "./session-state.ts";

interface Place {
  /** The client's text, in which PostgreSQL counts characters, and JavaScript UTF-16's units. */
  text: string;
  placeIn: (at: number) => number;
}

/** Puts the error in front of what comes next. Throws what ends the connection. */
export function putFailure(session: Session, cause: unknown, place?: Place): void {
  if (cause instanceof Gone || cause instanceof FrameError) throw cause;
  if (cause instanceof SqlFailure && cause.isFatal) throw cause;
  if (session.wire.gone.aborted) throw session.wire.gone.reason;
  if (session.status === "T") session.status = "E";
  session.wire.put(failureBytes(cause, place));
  if (isUnexpected(cause)) session.report(cause);
}

export function failureBytes(cause: unknown, place?: Place): Uint8Array {
  if (cause instanceof RawFailure) return cause.response;
  const position = place && ((at: number) => Array.from(place.text.slice(0, place.placeIn(at))).length + 1);
  return backend.errorResponse(failureFields(cause, position));
}

const isUnexpected = (cause: unknown): boolean =>
  !(cause instanceof SqlFailure || cause instanceof RawFailure) &&
  !(cause instanceof Error && "type" in cause);
