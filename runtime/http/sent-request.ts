/** A request as handlers have it, with no more made of it than they ask for. */

import type { HttpRequest } from "../contract/contract.ts";
import {
  type Bytes,
  closesConnection,
  type Dispatched,
  expectsContinue,
  hasHost,
  type SocketHandle,
} from "./below-node-http.ts";
import { SentBody } from "./sent-body.ts";

export class SentRequest implements HttpRequest {
  readonly method: string;
  /** Its path is as it was sent, and has not passed a URL parser; the host is nobody's. */
  readonly url: string;
  /** The address of the socket that it came by. */
  readonly from: () => string | undefined;
  readonly dispatched: Dispatched;
  readonly content: SentBody | undefined;
  #head: { headers: Headers; bytes: number } | undefined;
  #controller: AbortController | undefined;
  #isAborted = false;

  constructor(dispatched: Dispatched, socket: SocketHandle) {
    const { target, method, bits, handle, hasBody } = dispatched;
    this.dispatched = dispatched;
    this.method = method;
    this.url = `http://localhost${pathAndQuery(target)}`;
    this.from = () => socket.remoteAddress?.address;
    if (hasBody) this.content = new SentBody(handle, (bits & expectsContinue) !== 0);
  }

  /** Made when they are asked for: of a request that waits for its turn Bun keeps the bytes. */
  get head(): { headers: Headers; bytes: number } {
    this.#head ??= headOf(this.dispatched.target, this.dispatched.handle.takeRawHeaders());
    return this.#head;
  }
  get headers(): Headers {
    return this.head.headers;
  }
  /** HTTP/1.1 asks for one (RFC 9112 §3.2). */
  get hasOneHost(): boolean {
    if ((this.dispatched.bits & hasHost) === 0) return this.dispatched.isHttp10;
    return this.headers.get("host")?.includes(",") === false;
  }
  /** The connection ends with its answer. */
  get isLast(): boolean {
    return this.dispatched.isHttp10 || (this.dispatched.bits & closesConnection) !== 0;
  }
  get body(): ReadableStream<Bytes> | null {
    return this.content?.stream ?? null;
  }
  async bytes(): Promise<Bytes> {
    return this.content?.bytes() ?? new Uint8Array();
  }
  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#isAborted) this.#controller.abort();
    return this.#controller.signal;
  }
  /** The client went away before it had its answer. */
  abort(reason: DOMException): void {
    this.#isAborted = true;
    this.#controller?.abort(reason);
    this.content?.fail(reason);
  }
}

/** Proxies send whole URLs (RFC 9112 §3.2.2), and CONNECT no path. */
function pathAndQuery(target: string): string {
  if (target.startsWith("/")) return target;
  const [, rest] = /^https?:\/\/[^/?#]*(.*)$/i.exec(target) ?? [];
  return rest?.startsWith("/") ? rest : `/${rest ?? target}`;
}

function headOf(target: string, raw: readonly string[] = []): { headers: Headers; bytes: number } {
  const headers = new Headers();
  let bytes = target.length;
  for (let at = 0; at < raw.length; at += 2) {
    const [name, value] = [raw[at] as string, raw[at + 1] as string];
    headers.append(name, value);
    bytes += name.length + value.length + 4;
  }
  return { headers, bytes };
}
