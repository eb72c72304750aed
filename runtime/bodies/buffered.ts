import type { HttpRequest } from "../contract/contract.ts";

/**
 * Buffered bodies. Their bytes are known beside the Request or Response that carries them, so that no stream is read
 * between its maker and the socket.
 */
const bodies = new WeakMap<HttpRequest | Response, Uint8Array>();

const encoder = new TextEncoder();

/**
 * A text as an answer, which is copied into a Response of its own only where somebody reads it as one: native code that
 * is given it, such as `Bun.write`, sees no body. So it is for what goes to a caller, and for no answer of a peer.
 */
class TextResponse extends Response {
  readonly content: string;
  #asRead: Response | undefined;

  constructor(content: string, init: ResponseInit) {
    super(null, init);
    this.content = content;
  }

  get #read(): Response {
    this.#asRead ??= new Response(this.content, { headers: this.headers });
    return this.#asRead;
  }

  override get body() {
    return this.#read.body;
  }
  override get bodyUsed() {
    return this.#asRead?.bodyUsed ?? false;
  }
  override text() {
    return this.#read.text();
  }
  override json() {
    return this.#read.json();
  }
  override bytes() {
    return this.#read.bytes();
  }
  override arrayBuffer() {
    return this.#read.arrayBuffer();
  }
  override blob() {
    return this.#read.blob();
  }
  override formData() {
    return this.#read.formData();
  }
  override clone() {
    const { status, statusText, headers } = this;
    return new TextResponse(this.content, { status, statusText, headers });
  }
}

/** The body's bytes when they are known, else undefined: then it is a stream, or none. */
export const bufferedBody = (message: HttpRequest | Response): Uint8Array | undefined =>
  message instanceof TextResponse ? encoder.encode(message.content) : bodies.get(message);

/** The same as it was made, for a writer that takes text as well. */
export const bufferedContent = (message: Response): Uint8Array | string | undefined =>
  message instanceof TextResponse ? message.content : bodies.get(message);

/** An answer whose body is there already. */
export function bufferedResponse(bytes: Uint8Array, init: ResponseInit): Response {
  const response = new Response(bytes as Uint8Array<ArrayBuffer>, init);
  bodies.set(response, bytes);
  return response;
}

/** A value as a JSON answer to a caller. */
export const jsonResponse = (value: unknown, headers: Record<string, string> = {}, status = 200): Response =>
  new TextResponse(JSON.stringify(value), {
    status,
    headers: { "content-type": "application/json;charset=utf-8", ...headers },
  });

/** A request whose body is there already. */
export function bufferedRequest(url: string, bytes: Uint8Array, init: RequestInit): Request {
  const request = new Request(url, { ...init, body: bytes as Uint8Array<ArrayBuffer> });
  bodies.set(request, bytes);
  return request;
}
