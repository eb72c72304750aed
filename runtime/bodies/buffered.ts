import type { HttpRequest } from "../contract/contract.ts";

/**
 * Buffered bodies. Their bytes are known beside the Request or Response that carries them, so that no stream is read
 * between its maker and the socket.
 */
const requestBodies = new WeakMap<HttpRequest, Uint8Array>();

const encoder = new TextEncoder();

/** An answer that knows what it was made of: cheaper for the collector than a map of answers. */
class BufferedResponse extends Response {
  readonly content: Uint8Array | string;

  constructor(content: Uint8Array | string, init: ResponseInit) {
    super(content as BodyInit, init);
    this.content = content;
  }
}

/** The body's bytes when they are known, else undefined: then it is a stream, or none. */
export function bufferedBody(message: HttpRequest | Response): Uint8Array | undefined {
  if (!(message instanceof BufferedResponse)) return requestBodies.get(message as HttpRequest);
  const { content } = message;
  return typeof content === "string" ? encoder.encode(content) : content;
}

/** The same as it was made, for a writer that takes text as well. */
export const bufferedContent = (message: Response): Uint8Array | string | undefined =>
  message instanceof BufferedResponse ? message.content : undefined;

/** An answer whose body is there already. */
export const bufferedResponse = (bytes: Uint8Array, init: ResponseInit): Response =>
  new BufferedResponse(bytes, init);

/** A value as a JSON answer. */
export const jsonResponse = (value: unknown, headers: Record<string, string> = {}, status = 200): Response =>
  new BufferedResponse(JSON.stringify(value), {
    status,
    headers: { "content-type": "application/json;charset=utf-8", ...headers },
  });

/** A request whose body is there already. */
export function bufferedRequest(url: string, bytes: Uint8Array, init: RequestInit): Request {
  const request = new Request(url, { ...init, body: bytes as Uint8Array<ArrayBuffer> });
  requestBodies.set(request, bytes);
  return request;
}
