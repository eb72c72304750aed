import type { HttpRequest } from "../contract/contract.ts";

/**
 * Buffered bodies. Their bytes are remembered beside the Request or Response that carries them, so that no stream is
 * read between its maker and the socket.
 */
const bodies = new WeakMap<HttpRequest | Response, Uint8Array | string>();

const encoder = new TextEncoder();

/** The body's bytes when they are known, else undefined: then it is a stream, or none. */
export function bufferedBody(message: HttpRequest | Response): Uint8Array | undefined {
  const body = bodies.get(message);
  return typeof body === "string" ? encoder.encode(body) : body;
}

/** The same as it was made, for a writer that takes text as well. */
export const bufferedContent = (message: Response): Uint8Array | string | undefined => bodies.get(message);

/** An answer whose body is there already. */
export function bufferedResponse(bytes: Uint8Array, init: ResponseInit): Response {
  const response = new Response(bytes as Uint8Array<ArrayBuffer>, init);
  bodies.set(response, bytes);
  return response;
}

/** A value as a JSON answer. */
export function jsonResponse(value: unknown, headers: Record<string, string> = {}, status = 200): Response {
  const text = JSON.stringify(value);
  const response = new Response(text, {
    status,
    headers: { "content-type": "application/json;charset=utf-8", ...headers },
  });
  bodies.set(response, text);
  return response;
}

/** A request whose body is there already. */
export function bufferedRequest(url: string, bytes: Uint8Array, init: RequestInit): Request {
  const request = new Request(url, { ...init, body: bytes as Uint8Array<ArrayBuffer> });
  bodies.set(request, bytes);
  return request;
}
