/** The API from a page: the browser sends the token's cookie by itself. */
import { frame as says } from "../texts/texts.ts";

export class ApiError extends Error {
  readonly type: string;
  readonly requestId: string;
  readonly details: { line?: number; column?: number; position?: number };

  constructor(type: string, message: string, requestId: string, details: unknown) {
    super(message);
    this.type = type;
    this.requestId = requestId;
    this.details = Object(details);
  }
}

/** Throws `ApiError` with the API's words. */
export async function call(
  method: string,
  path: string,
  {
    body,
    accept = "application/json",
    signal,
  }: { body?: unknown; accept?: string; signal?: AbortSignal } = {},
): Promise<Response> {
  const isPlain = typeof body === "string" || body instanceof Blob;
  const response = await fetch(path, {
    method,
    headers: { accept, ...(!isPlain && body !== undefined && { "content-type": "application/json" }) },
    ...(body !== undefined && { body: isPlain ? body : JSON.stringify(body) }),
    ...(signal && { signal }),
  }).catch((cause) => {
    if (signal?.aborted) throw cause;
    throw new ApiError("offline", says.offline, "", {});
  });
  if (response.ok) return response;
  if (response.status === 401) throw new ApiError("unauthorized", says.signedOut, "", {});
  throw errorOf(await response.text(), response.status);
}

/** From the text of an answer that is no success. */
export function errorOf(text: string, status: number): ApiError {
  const { error } = (safeJson(text) ?? {}) as {
    error?: { type: string; message: string; request_id: string; details: unknown };
  };
  if (error) return new ApiError(error.type, error.message, error.request_id, error.details);
  return new ApiError(String(status), text.slice(0, 500) || says.answered(status), "", {});
}

function safeJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The lines of an answer, as they come. */
export async function* linesOf(response: Response): AsyncIterable<string> {
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  const decoder = new TextDecoder();
  let rest = "";
  try {
    while (true) {
      const { done, value } = await reader.read();
      const lines = (rest + decoder.decode(value, { stream: !done })).split("\n");
      rest = lines.pop() ?? "";
      yield* lines;
      if (!done) continue;
      if (rest !== "") yield rest;
      return;
    }
  } finally {
    await reader.cancel();
  }
}

export const told = (cause: unknown): string =>
  cause instanceof ApiError
    ? cause.requestId
      ? says.failedRequest(cause.message, cause.requestId)
      : cause.message
    : String(cause);
