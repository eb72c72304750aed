/** What DuckDB says when it refuses or fails, read from its JSON form. */

export class EngineError extends Error {
  override name = "EngineError";
  /** DuckDB's kind, such as Binder, Conversion, Out of Memory. */
  readonly kind: string;
  /** Bytes from the start of the statement that was run. */
  readonly position: number | undefined;

  constructor(kind: string, message: string, position?: number, cause?: unknown) {
    super(message, { cause });
    this.kind = kind;
    this.position = position;
  }
}

/** The stream of a result ended before its end marker: DuckDB failed and its binding does not say why. */
export class CutShortError extends Error {
  override name = "CutShortError";
}

/** Reads the error of a call; with `errors_as_json` DuckDB puts a JSON object into the message. */
export function engineError(cause: unknown): EngineError {
  const text = cause instanceof Error ? cause.message : String(cause);
  const at = text.indexOf('{"');
  if (at < 0) return new EngineError(kindIn(text), text.replace(/^[\w ]+ Error: /, ""), undefined, cause);
  try {
    const { exception_type: kind, exception_message: message, position } = JSON.parse(text.slice(at));
    if (typeof kind !== "string" || typeof message !== "string") throw new TypeError("not an error object");
    const place = position === undefined ? undefined : Number(position);
    return new EngineError(kind, message, Number.isSafeInteger(place) ? place : undefined, cause);
  } catch {
    return new EngineError(kindIn(text), text, undefined, cause);
  }
}

const kindIn = (text: string): string => /^([\w ]+) Error: /.exec(text)?.[1] ?? "Unknown";
