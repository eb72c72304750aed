/** One connection: its requests are answered one after the other, in the order in which they were sent. */

import type { Socket } from "node:net";
import { bufferedContent } from "../bodies/bodies.ts";
import { readSoon } from "../rpc/rpc.ts";
import {
  addsDate,
  checkBun,
  type Dispatched,
  type Handle,
  type SocketHandle,
  withoutBody,
} from "./below-node-http.ts";
import { SentRequest } from "./sent-request.ts";

/**
 * Requests of one connection that may wait for their turn: more than pipelining clients send, and so few that they take
 * no more memory than the connection's buffers. More are not taken, and the connection ends with the answer to the last
 * one that was: its client sends the rest again (RFC 9112 §9.3.2).
 */
const waitingMax = 256;

type Reader = ReadableStreamDefaultReader<Uint8Array>;
type Read = Awaited<ReturnType<Reader["read"]>>;

export interface ConnectionRules {
  answer: (request: SentRequest) => Promise<Response>;
  /** The answer where a request cannot be read, or `answer` failed; as it is written to a socket. */
  refusal: (failure: unknown) => Promise<Uint8Array>;
  /** Monotonic milliseconds. */
  now: () => number;
  /** The service stops: connections end with their last answer. */
  isStopping: () => boolean;
}

export class Connection {
  readonly #socket: Socket;
  readonly #rules: ConnectionRules;
  #handle: SocketHandle | undefined;
  readonly #waiting: SentRequest[] = [];
  #current: SentRequest | undefined;
  /** Why what came after these requests is none. */
  #unreadable: unknown;
  /** No request is taken after these. */
  #isFull = false;
  #isClosed = false;
  /** Ends the answer that is being written. */
  #stopWriting: ((reason: unknown) => void) | undefined;
  /** Since when its client has done nothing, where we wait for it. */
  #quietSince: number;
  /** What its client has not taken of an answer that is written; undefined: there is none such. */
  #leavingBytes: number | undefined;

  constructor(socket: Socket, rules: ConnectionRules) {
    this.#socket = socket;
    this.#rules = rules;
    this.#quietSince = rules.now();
    socket.on("close", () => this.#close());
  }

  get isBusy(): boolean {
    return this.#current !== undefined;
  }

  /** How long we have waited for its client to send a request, or to take more of an answer; in milliseconds. */
  quietMs(): number {
    if (this.#current !== undefined) {
      if (this.#leavingBytes === undefined) return 0;
      const left = this.#current.dispatched.handle.bufferedAmount;
      if (left < this.#leavingBytes) this.#quietSince = this.#rules.now();
      this.#leavingBytes = left;
    }
    return this.#rules.now() - this.#quietSince;
  }

  take(handle: SocketHandle, dispatched: Dispatched): void {
    if (this.#handle === undefined) checkBun(dispatched.handle, handle);
    this.#handle = handle;
    // It came with the last one, before that could end the connection.
    if (this.#isFull) handle.stopParsing();
    else this.#queue(new SentRequest(dispatched, handle));
  }

  #queue(request: SentRequest): void {
    this.#isFull = request.isLast || this.#waiting.length + 1 === waitingMax;
    if (this.#current === undefined) this.#begin(request);
    else this.#waiting.push(request);
  }

  /** What came is no request, or not the rest of one. */
  takeUnreadable(failure: unknown): void {
    const last = this.#waiting.at(-1) ?? this.#current;
    if (last?.content?.isWhole === false) last.content.fail(failure);
    else if (!this.#isFull) this.#unreadable = failure;
    this.#isFull = true;
    this.stop();
  }

  /** Ends it once all is answered. */
  stop(): void {
    if (this.#current === undefined) void this.#end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #begin(request: SentRequest): void {
    this.#current = request;
    this.#rules.answer(request).then(
      (response) => {
        try {
          this.#send(request, response);
        } catch (error) {
          this.#fail(error);
        }
      },
      (error) => this.#fail(error),
    );
  }

  /** An answer that cannot be made or written is reported, and its connection ends. */
  #fail(error: unknown): void {
    if (!this.#isClosed) void this.#rules.refusal(error);
    this.#socket.destroy();
  }

  #send(request: SentRequest, response: Response): void {
    if (this.#isClosed) return void response.body?.cancel();
    const { method, content } = request;
    const bytes = bufferedContent(response);
    const hasBody = method !== "HEAD" && (bytes !== undefined || response.body !== null);
    const { headers } = response;
    const isAlone = this.#waiting.length === 0 && this.#unreadable === undefined;
    const isLast = isAlone && (this.#isFull || this.#rules.isStopping());
    if (isLast || content?.isUnasked) headers.set("connection", "close");
    // Nothing is answered after it: what comes now may be the rest of a body that nobody reads.
    if (headers.get("connection") === "close") {
      this.#isFull = true;
      this.#waiting.length = 0;
    }
    if (method === "HEAD") void response.body?.cancel();
    if (hasBody && bytes === undefined) void this.#stream(request, response);
    else this.#write(request, response, hasBody ? bytes : undefined);
  }

  #write(request: SentRequest, { status, headers }: Response, body: Uint8Array | string | undefined): void {
    request.content?.drop();
    const sent = request.method === "HEAD" ? [...headers, withoutBody].flat() : headers;
    const { handle } = request.dispatched;
    this.#sent(request, handle.writeHeadAndEnd(status, "", sent, body, undefined, undefined, addsDate));
  }

  /** An answer that is there soon leaves in one piece; the head of one that is slow to begin does not wait for it. */
  async #stream(request: SentRequest, response: Response): Promise<void> {
    const { handle } = request.dispatched;
    const body = (response.body as ReadableStream<Uint8Array>).getReader();
    this.#stopWriting = (reason) => void body.cancel(reason).catch(() => undefined);
    try {
      const { soon: first, reader } = await readSoon(body);
      const second = first?.done === false ? await readSoon(reader) : undefined;
      const isWhole = first?.done === true || second?.soon?.done === true;
      if (this.#isClosed) return;
      if (isWhole) return this.#write(request, response, first?.value);
      handle.writeHead(response.status, "", response.headers, addsDate);
      handle.flushHeaders();
      await this.#pump(handle, [first, second?.soon], second?.reader ?? reader);
    } catch {
      // Whoever made the stream has reported why: its end must not look like one.
      return void this.#socket.destroy();
    }
    if (this.#isClosed) return;
    request.content?.drop();
    this.#sent(request, handle.end());
  }

  async #pump(handle: Handle, begun: (Read | undefined)[], reader: Reader): Promise<void> {
    const write = async (bytes: Uint8Array) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      if (handle.write(bytes, undefined, resolve) < 0) await promise;
    };
    for (const read of begun) if (read?.value !== undefined) await write(read.value);
    for (let read = await reader.read(); !read.done; read = await reader.read()) await write(read.value);
  }

  /** `left` is negative where the socket has not taken all of the answer. */
  #sent({ dispatched: { handle } }: SentRequest, left: number): void {
    this.#quietSince = this.#rules.now();
    if (left < 0) {
      this.#leavingBytes = handle.bufferedAmount;
      handle.onwritable = () => this.#next();
    } else this.#next();
  }

  #next(): void {
    if (this.#isClosed) return;
    this.#current = undefined;
    this.#leavingBytes = undefined;
    this.#stopWriting = undefined;
    this.#quietSince = this.#rules.now();
    const next = this.#waiting.shift();
    if (next === undefined) {
      if (this.#isFull || this.#rules.isStopping()) void this.#end();
      return;
    }
    const { handle, isHttp10 } = next.dispatched;
    if (this.#handle?.startPipelinedResponse(handle, isHttp10, next.isLast)) this.#begin(next);
  }

  /** Nothing is answered any more but what was unreadable. */
  async #end(): Promise<void> {
    if (this.#unreadable !== undefined) this.#socket.write(await this.#rules.refusal(this.#unreadable));
    this.#socket.destroySoon();
  }

  #close(): void {
    this.#isClosed = true;
    const gone = new DOMException("the client went away", "AbortError");
    this.#stopWriting?.(gone);
    for (const request of [this.#current, ...this.#waiting]) request?.abort(gone);
    this.#waiting.length = 0;
  }
}
